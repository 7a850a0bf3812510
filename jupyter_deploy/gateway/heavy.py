"""Work that is too long for the event loop: large bodies are decoded, large answers encoded, apart.

One thread for all, and a bound on how many wait for it.  A thread does not make this work faster,
it lets small requests be answered in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jupyter_deploy.errors import Overloaded

T = TypeVar("T")

#: From these on, a body (bytes) or an answer (rows) is large.
LARGE_BODY_BYTES = 1_000_000
#: CSV takes six times as long.
LARGE_CSV_BYTES = 160_000
LARGE_ANSWER_ROWS = 8192
_MOST_WAITING = 32


class Heavy:
    """The one thread."""

    def __init__(self, most_waiting: int = _MOST_WAITING) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="heavy")
        self._most = most_waiting
        self._open = 0

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` gives.  Raises Overloaded when too many wait, and what it raises."""
        if self._open >= self._most:
            raise Overloaded
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        finally:
            self._open -= 1
