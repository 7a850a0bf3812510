"""How many bytes of bodies may be open at a time, over all endpoints together.

A body is open from its first byte until its request is answered.  What is made of it (rows,
arrays) takes a small multiple of its size and lives no longer.
"""

from __future__ import annotations

from jupyter_deploy.errors import Overloaded

MOST_OPEN_BYTES = 1_000_000_000


class OpenBytes:
    """Counts the bytes that are open."""

    def __init__(self, most: int = MOST_OPEN_BYTES) -> None:
        self._most = most
        self.open = 0

    def take(self, count: int) -> None:
        """Count `count` bytes more.  Raises Overloaded, and counts nothing, when it is too many."""
        if self.open + count > self._most:
            raise Overloaded
        self.open += count

    def give(self, count: int) -> None:
        """These bytes are open no longer."""
        self.open -= count
