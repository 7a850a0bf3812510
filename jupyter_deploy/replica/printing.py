"""What a replica prints: in its log at once, and no more of it than the log may hold.

Rule 1: printing neither fails nor waits for anybody: what a full disk does not take is dropped, and
there is no pipe that somebody would have to read, so that a replica whose supervisor is gone prints
on.  Rule 2: a log is a file opened with O_APPEND, so that whoever finds it too long may cut it at
any time.  Rule 3: what Python prints is counted here and cannot outrun the bound; what native code
writes past Python is cut when the supervisor next looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: A log that is longer is cut to its last part.
MOST_BYTES = 10_000_000
_TAIL_BYTES = 1 << 20
#: The length is looked at each time that so much has been printed.
_LOOK_BYTES = 1 << 20
_NOTE = b"[earlier lines were removed]\n"


def to_log() -> None:
    """Have what Python prints go to descriptors 1 and 2 by the rules above, line by line."""
    sys.stdout, sys.stderr = _lines(1), _lines(2)


def cut(descriptor: int, most_bytes: int = MOST_BYTES) -> None:
    """Leave the last part of a log that is longer than `most_bytes`.  Raises OSError."""
    if os.fstat(descriptor).st_size <= most_bytes:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another replica of the version, or the supervisor, is about it
    try:
        size = os.fstat(descriptor).st_size
        kept = min(_TAIL_BYTES, most_bytes // 2)
        if size > most_bytes:
            tail = os.pread(descriptor, kept, size - kept)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _NOTE + tail)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class Log(io.RawIOBase):
    """The log behind `descriptor`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._unseen = 0

    def fileno(self) -> int:
        """The descriptor, for what a model starts."""
        return self._descriptor

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write `data`, or what the disk takes of it; all of it counts as written."""
        count = memoryview(data).nbytes
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)
            self._unseen += count
            if self._unseen >= _LOOK_BYTES:
                self._unseen = 0
                cut(self._descriptor)
        return count


def _lines(descriptor: int) -> io.TextIOWrapper:
    # Like the streams that Python makes, but for where they end.
    buffer = io.BufferedWriter(Log(descriptor))
    return io.TextIOWrapper(buffer, "utf-8", errors="backslashreplace", line_buffering=True)
