"""Collects what the gateways have counted, and keeps it.

Rule 1: every second while somebody looks or there is traffic, else rarely.  Rule 2: a gateway that
does not answer, a full disk and a damaged file delay figures or lose them, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from jupyter_deploy.client.models import Recent
from jupyter_deploy.core.series import MINUTE, SECOND, Counts, History, Record, floor
from jupyter_deploy.errors import Unavailable
from jupyter_deploy.supervisor.metrics.recent import POINTS, STEP, RecentFigures
from jupyter_deploy.supervisor.metrics.store import MetricsStore
from jupyter_deploy.supervisor.store import damage
from jupyter_deploy.supervisor.store.damage import SIGNS

_log = logging.getLogger(__name__)
_BUSY_SECONDS, _IDLE_SECONDS = 1.0, 15.0
#: Somebody who asked is taken to look for this long.
_LOOK_SECONDS = 10.0
#: Figures no older than this are fresh.
_FRESH_SECONDS = 0.8

_T = TypeVar("_T")


class Source(Protocol):
    """One gateway process."""

    @property
    def name(self) -> str:
        """What tells it from the others, the same in its next life."""

    async def history(self, cursor: str, *, seal: bool = False) -> History:
        """What it counted after `cursor`; with `seal` up to now.  Raises Unavailable."""


class Collector:
    """`run` collects; `sources` are the gateways, `replicas` how many are ready now by version."""

    def __init__(
        self,
        store: MetricsStore,
        sources: Callable[[], Iterable[Source]],
        replicas: Callable[[], Mapping[tuple[str, str], int]],
    ) -> None:
        self._store = store
        self._sources = sources
        self._replicas = replicas
        self._recent = RecentFigures()
        self._cursors: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._work = asyncio.Event()
        self._looked = self._collected = self._delivered = 0.0
        self._rolled = 0
        self._turned_away: dict[str, int] = {}
        self._failing = False

    async def open(self) -> None:
        """Open the file, and go on where an earlier supervisor was."""
        async with self._lock:
            await _done(self._store.open)
            with contextlib.suppress(*SIGNS):
                self._cursors = await _done(self._store.cursors)
                start = int(time.time()) - (POINTS + 1) * STEP
                self._recent.add(await _done(self._store.read, None, start, SECOND))

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            await self.collect()
            self._work.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._work.wait()

    async def close(self) -> None:
        """Collect for the last time: the gateways end after this."""
        await self.collect(seal=True)
        async with self._lock:
            await _done(self._store.close)

    @property
    def turned_away(self) -> int:
        """Connections that the gateways have refused since they started, as they said last."""
        return sum(self._turned_away.values())

    def look(self) -> None:
        """Somebody looks at figures."""
        idle = self._pause() > _BUSY_SECONDS
        self._looked = time.monotonic()
        if idle:
            self._work.set()

    def recent(self, name: str) -> Recent:
        """The last minutes of an endpoint."""
        return self._recent.of(name, time.time())

    async def read(self, endpoint: str, start: int, span: int) -> list[Record]:
        """The counts of an endpoint since `start`, up to now; empty when they cannot be read."""
        self.look()
        if time.monotonic() - self._collected > _FRESH_SECONDS:
            await self.collect()
        async with self._lock:
            try:
                return await _done(self._store.read, endpoint, start, span)
            except SIGNS as error:
                await self._failed(error)
                return []

    async def collect(self, *, seal: bool = False) -> None:
        """Ask every gateway once, and write down what it says."""
        async with self._lock:
            self._collected = time.monotonic()
            for source in self._sources():
                with contextlib.suppress(Unavailable):
                    await self._collect_from(source, seal=seal)
            now = time.time()
            self._recent.forget(now)
            await self._write(self._ready(int(now)), {})
            if floor(now, MINUTE) != self._rolled:
                self._rolled = floor(now, MINUTE)
                await self._safely(self._store.roll, now)

    async def _collect_from(self, source: Source, *, seal: bool) -> None:
        more = True
        while more:
            found = await source.history(self._cursors.get(source.name, ""), seal=seal)
            self._turned_away[source.name] = found.turned_away
            cursors = {source.name: found.cursor}
            if self._cursors.get(source.name) == found.cursor:
                return
            if found.records:
                self._delivered = time.monotonic()
            # What cannot be written is lost to the history, and the live figures go on.
            self._cursors |= cursors
            self._recent.add(found.records)
            await self._write(found.records, cursors)
            more = found.more

    async def _write(self, records: Iterable[Record], cursors: dict[str, str]) -> None:
        await self._safely(self._store.write, list(records), cursors)

    async def _safely(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            await _done(work, *arguments)
        except SIGNS as error:
            await self._failed(error)
        else:
            self._failing = False

    async def _failed(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("figures cannot be kept now: %s", error)
        self._failing = True
        if damage.of(error) is not None:
            await _done(self._store.reopen)

    def _ready(self, at: int) -> list[Record]:
        return [
            Record(at, endpoint, version, "", Counts(replicas=count))
            for (endpoint, version), count in self._replicas().items()
        ]

    def _pause(self) -> float:
        now = time.monotonic()
        active = now - self._looked < _LOOK_SECONDS or now - self._delivered < _LOOK_SECONDS
        return _BUSY_SECONDS if active else _IDLE_SECONDS


async def _done(work: Callable[..., _T], *arguments: Any) -> _T:
    """What `work` returns, from a thread; whoever is cancelled waits for its end all the same.

    The file is for one thread at a time, and what is written while nobody waits comes again.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
