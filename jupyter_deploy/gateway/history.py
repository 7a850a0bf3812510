"""What happened, second by second, until the supervisor has it.

Rule 1: a second is sealed once, gets a number, and never changes.  Rule 2: it is kept until the
supervisor names a later number, which it does once it has written it down: a second is delivered
again after a crash, and dropped only when it need not be.  Rule 3: while nothing happens nothing
runs: the first request of a second starts the timer that seals it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable

from jupyter_deploy.core.series import History, Record
from jupyter_deploy.gateway.metrics import VersionMetrics

#: So much is kept for a supervisor that does not ask; the oldest goes first.
MOST_SECONDS = 3600
MOST_RECORDS = 100_000
#: One answer holds about so many.
_MOST_ANSWERED = 5_000


class Recorder:
    """The sealed seconds of this process.  `counts` gives the live counts of all versions.

    `sealed` is called after each second in which something happened.
    """

    def __init__(
        self, counts: Callable[[], Iterable[VersionMetrics]], sealed: Callable[[], None]
    ) -> None:
        self._counts = counts
        self._on_sealed = sealed
        self._id = secrets.token_hex(8)
        self._sealed: deque[tuple[int, list[Record]]] = deque()
        self._records = 0
        self._number = 0
        self._second = 0
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Something happens in this second."""
        if self._timer is None:
            now = time.time()
            self._second = int(now)
            left = self._second + 1 - now
            self._timer = asyncio.get_running_loop().call_later(left, self.seal)

    def seal(self) -> None:
        """End the present second."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        records: list[Record] = []
        waiting = False
        for one in self._counts():
            waiting = waiting or one.waiting > 0
            records += one.take(self._second)
        if records:
            self._number += 1
            self._sealed.append((self._number, records))
            self._records += len(records)
            self._on_sealed()
        while len(self._sealed) > MOST_SECONDS or self._records > MOST_RECORDS:
            self._drop()
        if waiting:
            self.wake()

    def after(self, cursor: str) -> History:
        """The seconds after `cursor`, oldest first; those up to it are written down by now.

        A cursor of another process, or none, means all.
        """
        written = self._number_in(cursor)
        while self._sealed and self._sealed[0][0] <= written:
            self._drop()
        found: list[Record] = []
        for number, records in self._sealed:
            found += records
            written = number
            if len(found) >= _MOST_ANSWERED:
                break
        more = bool(self._sealed) and written < self._sealed[-1][0]
        return History(f"{self._id}:{written}", tuple(found), more)

    def _number_in(self, cursor: str) -> int:
        name, _, number = cursor.partition(":")
        return int(number) if name == self._id and number.isdecimal() else 0

    def _drop(self) -> None:
        _, records = self._sealed.popleft()
        self._records -= len(records)
