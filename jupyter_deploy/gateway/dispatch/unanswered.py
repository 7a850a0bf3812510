"""The requests of a version that have not ended, and the clock that ends them in time."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from jupyter_deploy.gateway.dispatch.work import Result, Work

#: Told once how a request has ended.
Then = Callable[[Result], None]


class Unanswered:
    """Requests, oldest deadline first, and no pieces; `late` is told of those past theirs."""

    def __init__(self, late: Callable[[list[Work]], None]) -> None:
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._requests: dict[Work, Then] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: Of all their bodies.
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._requests)

    def add(self, work: Work, then: Then) -> None:
        """Watch over `work`: its deadline is set, and none before has a later one."""
        self._requests[work] = then
        self.bytes += len(work.body)
        self._watch()

    def end(self, work: Work) -> None:
        """Tell who waits for `work` how it has ended."""
        then = self._requests.pop(work)
        self.bytes -= len(work.body)
        assert work.result is not None, "it has just ended"
        then(work.result)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        if self._timer is None and self._requests:
            oldest = next(iter(self._requests))
            seconds = max(0.0, oldest.deadline - time.monotonic())
            self._timer = self._loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = time.monotonic()
        # All requests of a version have the same time to live, so the oldest end first.
        self._late(list(itertools.takewhile(lambda work: work.deadline <= now, self._requests)))
        self._watch()
