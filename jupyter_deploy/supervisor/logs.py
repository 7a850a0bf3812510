"""Logs of child processes: their last lines, and their size.

Rule: a child writes with O_APPEND, so its log can be cut at any time without asking it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: How much is read to find the last lines, and how much is left of a log that was cut.
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


def cap(log: Path, max_bytes: int) -> None:
    """Cut a log that is longer than `max_bytes` to its last megabyte (or half of `max_bytes`)."""
    with contextlib.suppress(OSError):
        if log.stat().st_size <= max_bytes:
            return
        with log.open("rb") as file:
            file.seek(-min(_TAIL_BYTES, max_bytes // 2), os.SEEK_END)
            tail = file.read(_TAIL_BYTES)
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"[earlier lines were removed]\n" + tail)
