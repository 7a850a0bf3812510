"""Logs of child processes: their last lines, and their size.

Rule: a child writes with O_APPEND, so its log can be cut at any time without asking it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from jupyter_deploy.replica import printing

#: How much is read to find the last lines.
_TAIL_BYTES = 1 << 20


def last_lines(log: Path, count: int, width: int = 2000) -> list[str]:
    """The last `count` lines (each cut at `width` characters); none when there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            data = file.read(_TAIL_BYTES)
    except OSError:
        return []
    lines = data.decode(errors="replace").splitlines()
    return [line[:width] for line in lines[-count:]] if count > 0 else []


def _too_long(folder: Path) -> list[str]:
    """The logs in `folder` that have to be cut."""
    found: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.endswith(".log") and entry.stat().st_size > printing.MOST_BYTES:
                    found.append(entry.path)
    return found


def cap(folder: Path) -> None:
    """Cut each log in `folder` that is too long to its last part."""
    for log in _too_long(folder):
        with contextlib.suppress(OSError):
            descriptor = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                printing.cut(descriptor)
            finally:
                os.close(descriptor)
