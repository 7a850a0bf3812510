"""Requests that failed on our side, one JSON line each, in one file for each endpoint (0600).

Rule: a line holds the model's own trace, because the owner reads it, and never the input.  A file
that has grown to its bound becomes `<name>.jsonl.1`, and the one before is gone.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec

from jupyter_deploy.client.models import RequestFailure
from jupyter_deploy.gateway.log import Log

_MOST_BYTES = 5_000_000
_LONGEST_TEXT = 20_000


class ErrorLog:
    """Appends to the files in one folder."""

    def __init__(self, folder: Path, log: Log) -> None:
        self._folder = folder
        self._log = log

    def write(self, endpoint: str, failure: RequestFailure) -> None:
        """Keep one failure.  A full disk costs the entry, not the request."""
        line = msgspec.json.encode(_bounded(failure)) + b"\n"
        path = self._folder / f"{endpoint}.jsonl"
        try:
            _append(path, line)
        except OSError as error:
            self._log.warning("failure not kept", endpoint=endpoint, error=error.strerror)


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size + len(line) > _MOST_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # One write, so that two gateways never mix their lines.
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _bounded(failure: RequestFailure) -> RequestFailure:
    message, trace = failure.message[:_LONGEST_TEXT], failure.trace[-_LONGEST_TEXT:]
    return replace(failure, message=message, trace=trace)
