"""Waiting in the event loop until something is so.

Rule: whoever changes what others may wait for rings; whoever waits looks again after each ring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Bell:
    """Wakes all who wait, each time it rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something has changed."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, so: Callable[[], bool], seconds: float) -> bool:
        """Whether `so()` holds, at the latest `seconds` from now."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not so():
                    await self._rung.wait()
        except TimeoutError:
            return so()
        return True
