"""Events: what happened, in one sentence, for whoever looks at the endpoints.

Rule 1: an event is never lost to a full disk: it is kept in memory, and written as soon as that
works.  Rule 2: numbers grow, over restarts too, so that whoever has seen one never misses the next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque

from sqlalchemy import Connection

from jupyter_deploy.client.models import Event
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.bell import Bell
from jupyter_deploy.supervisor.happenings import Action, Happening
from jupyter_deploy.supervisor.store import Store, reading, writing

_KEPT = 1000
_RETRY_SECONDS = 1.0
#: After a recovery nobody knows how many events were lost: numbers go on this much later.
_LOST_AT_MOST = 1_000_000
_log = logging.getLogger(__name__)


class Journal:
    """The last events.  `load` first; `run` writes them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._unwritten: deque[Event] = deque(maxlen=_KEPT)
        self._number = 0
        self._bell = Bell()
        self._work = asyncio.Event()

    async def load(self, *, died: bool = False) -> None:
        """Read what earlier supervisors have written; the last may have `died` before it had."""
        found = await self._store.read(lambda connection: reading.events(connection, _KEPT))
        self._events.extend(found)
        self._number = found[-1].number if found else 0
        if died:
            # Somebody may have seen what it had not written yet.
            self._number += _KEPT
        if self._store.recovery is not None:
            self._number += _LOST_AT_MOST
            self.add("state-recovered", self._store.recovery.sentence)

    def add(
        self, kind: Action | Happening, message: str, *, endpoint: str = "", version: str = ""
    ) -> None:
        """Something has happened."""
        self._number += 1
        event = Event(self._number, time.time(), endpoint, version, kind, message)
        _log.info("%s: %s", kind, message)
        self._events.append(event)
        self._unwritten.append(event)
        self._work.set()
        self._bell.ring()

    async def after(self, number: int, wait: float) -> list[Event]:
        """The events after `number`; waits up to `wait` seconds for the first."""
        await self._bell.until(lambda: bool(self._since(number)), wait)
        return self._since(number)

    def _since(self, number: int) -> list[Event]:
        return [event for event in self._events if event.number > number]

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            if not await self.flush():
                await asyncio.sleep(_RETRY_SECONDS)
                self._work.set()

    async def flush(self) -> bool:
        """Write what is not written yet; what cannot be written now is kept for the next time."""
        events = tuple(self._unwritten)
        if not events:
            return True
        try:
            await self._store.change(lambda connection: _write(connection, events))
        except StateUnavailable as error:
            _log.warning("events cannot be written now: %s", error)
            return False
        written = {event.number for event in events}
        self._unwritten = deque(
            (event for event in self._unwritten if event.number not in written), maxlen=_KEPT
        )
        return True


def _write(connection: Connection, events: tuple[Event, ...]) -> None:
    for event in events:
        writing.event(connection, event)
