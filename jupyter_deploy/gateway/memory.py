"""How many bytes of bodies may be open at a time, over all endpoints together.

A body is open from its first byte until its request is answered.  What is made of it (rows,
arrays) takes a small multiple of its size and lives no longer.

Rule: bodies may hold a part of what is free on the machine, or in the container, at this moment, so
that callers alone never have the kernel look for a process to kill.  Small ones are always taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jupyter_deploy.client.memory import Memory, memory
from jupyter_deploy.errors import ShortOfMemory

MOST_OPEN_BYTES = 1_000_000_000
#: So much may be open whatever is free: ordinary requests are small.
ALWAYS_BYTES = 4_000_000
#: Decoded, the body in hand may take six times its size beside all that are open.
PART_OF_FREE = 1 / 8
#: Read in one go, a body takes so many times its size (rows of one number 20), and so many when
#: each of its values is looked at (`{}` 22, rows of one number 45).
AT_ONCE, LOOKED_AT = 25, 50
_FRESH_SECONDS = 0.25


class OpenBytes:
    """Counts the bytes that are open: `most` at a time, and less where less memory is free."""

    def __init__(
        self, most: int = MOST_OPEN_BYTES, look: Callable[[], Memory | None] = memory
    ) -> None:
        self._most = most
        self._look = look
        self._looked = -_FRESH_SECONDS
        self._now = most
        self.open = 0

    def take(self, count: int) -> None:
        """Count so many more.  Raises ShortOfMemory, and counts nothing, when it is too many."""
        wanted = self.open + count
        if wanted > min(self._most, ALWAYS_BYTES) and wanted > self._most_now():
            raise ShortOfMemory
        self.open = wanted

    def give(self, count: int) -> None:
        """These bytes are open no longer."""
        self.open -= count

    def _most_now(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _FRESH_SECONDS:
            found, self._looked = self._look(), now
            free = self._most if found is None else int(found.free * PART_OF_FREE)
            self._now = min(self._most, free)
        return self._now


def check_room(size: int) -> None:
    """Raises ShortOfMemory unless `size` more bytes are free."""
    found = memory()
    if found is not None and found.free < size:
        raise ShortOfMemory
