"""One timer for many: a timer for each request would cost more than reading it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls `end` on what has not been taken off in time.

    Invariant: `_until` holds what is watched, the oldest first.
    """

    def __init__(self, seconds: float, end: Callable[[T], None]) -> None:
        self.seconds = seconds
        self._end = end
        self._until: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._until)

    def begin(self, one: T) -> None:
        """Watch `one` from now on; one that is watched keeps its deadline."""
        if one in self._until:
            return
        loop = asyncio.get_running_loop()
        self._until[one] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._end_late)

    def over(self, one: T) -> None:
        """Watch `one` no longer."""
        self._until.pop(one, None)

    def _end_late(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for one, until in list(self._until.items()):
            if until > loop.time():
                self._timer = loop.call_at(until, self._end_late)
                return
            del self._until[one]
            self._end(one)
