"""Files in which the kernel tells about itself: /proc and control groups."""

from __future__ import annotations

import os

#: Those that are read here are shorter.
_LONGEST = 1 << 16


def told(file: str) -> str:
    """What such a file says now.  Raises OSError.

    A supervisor at rest reads some each second: Path and its file object would take three times
    as long.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST).decode()
    finally:
        os.close(descriptor)
