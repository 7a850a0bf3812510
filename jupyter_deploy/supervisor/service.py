"""The supervisor: its parts, in the order in which they start and stop.

    start   state -> what still runs -> gateways -> replicas -> control API
    stop    control API, deploys, gateways (finish what they have), replicas, the rest
    leave   control API, deploys; what runs goes on, for the next supervisor

Rule: what runs goes on while the supervisor starts, and when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from jupyter_deploy.client.identity import Supervisor as Identity
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor import processes, routes
from jupyter_deploy.supervisor.artefacts import Artefacts
from jupyter_deploy.supervisor.deploys import Deploys
from jupyter_deploy.supervisor.failures import Failure
from jupyter_deploy.supervisor.gateway_process import Errands
from jupyter_deploy.supervisor.gateways import Gateways
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.keys import Keys
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.metrics.baselines import Baselines
from jupyter_deploy.supervisor.metrics.collector import Collector
from jupyter_deploy.supervisor.metrics.store import MetricsStore
from jupyter_deploy.supervisor.parts import Parts
from jupyter_deploy.supervisor.registrar import Registrar
from jupyter_deploy.supervisor.registry_ui import RegistryUiProcess
from jupyter_deploy.supervisor.replicas import Replicas
from jupyter_deploy.supervisor.routes import Routes
from jupyter_deploy.supervisor.scaler import Scaler
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.slots import Wiring
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.supervisor.store import Store, reading, writing
from jupyter_deploy.supervisor.succession import Successor
from jupyter_deploy.supervisor.surroundings import Surroundings
from jupyter_deploy.supervisor.ticks import tick
from jupyter_deploy.supervisor.traffic import TrafficChanges
from jupyter_deploy.supervisor.upgrades import Upgrades

_log = logging.getLogger(__name__)
#: How often the load of versions that scale is looked at.
_SCALE_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_ENDED = "had ended without being stopped; this one takes over what runs"


class Supervisor:
    """All parts.  `start` once, `stop` once; `stopping` is set when somebody asks for the end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.started_at = time.time()
        self.stopping = asyncio.Event()
        #: At the end, what runs is left to the next supervisor.
        self.leaving = False
        #: Who that is, where it has said so.
        self.successor: Successor | None = None
        #: What has been found running is known: before, nothing is better than the last snapshot.
        self._knows_routes = False
        self.store = Store(settings.state)
        self.journal = Journal(self.store)
        self.gateways = Gateways(settings, self.journal, self._errands())
        self.launchers = Launchers(settings)
        self.artefacts = Artefacts(settings, self.journal, self._version)
        self.replicas = Replicas(settings, self.journal, self.launchers, self._wiring())
        self.baselines = Baselines(settings.versions)
        self.routes = Routes(
            settings, self.store, self.gateways, self.replicas.routes, self.baselines.bins
        )
        self.collector = Collector(
            MetricsStore(settings.metrics), self.gateways.processes, self._ready_replicas
        )
        self.registrar = Registrar(settings, self.store, self.journal, random.random)
        self.parts = Parts(
            settings=settings,
            store=self.store,
            journal=self.journal,
            gateways=self.gateways,
            launchers=self.launchers,
            replicas=self.replicas,
            routes=self.routes,
            registrar=self.registrar,
            collector=self.collector,
            baselines=self.baselines,
            scaler=Scaler(settings, self.journal, self.gateways.sights),
        )
        self.traffic = TrafficChanges(self.parts)
        self.upgrades = Upgrades(self.parts)
        self.deploys = Deploys(self.parts, self.traffic)
        self.keys = Keys(self.parts)
        self.registry_ui = RegistryUiProcess(settings)
        self.surroundings = Surroundings(
            settings.logs, self.journal, lambda: self.collector.turned_away
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    def _wiring(self) -> Wiring:
        # By name, at call time: replicas and routes know of each other only through this.
        return Wiring(
            version=self._version,
            files=self.artefacts.check,
            changed=lambda: self.routes.changed(),
            published=lambda: self._published(),
            gave_up=self._gave_up,
        )

    def _version(self, number: int) -> Version | None:
        return self.store.state.by_number(number)

    def _errands(self) -> Errands:
        # At call time, as above: gateways are there before what they need.
        return Errands(
            write_routes=self._write_routes, collect=lambda: self.collector.collect(seal=True)
        )

    def _write_routes(self) -> None:
        """What cannot be written now is published as soon as it can be: a gateway waits for it."""
        if not self._knows_routes:
            return
        try:
            self.routes.write()
        except StateUnavailable as error:
            _log.warning("%s", error)
            self.routes.changed()

    def _ready_replicas(self) -> dict[tuple[str, str], int]:
        routes = self.replicas.routes().items()
        found = ((self.store.state.by_number(number), ready) for number, ready in routes)
        return {(one.endpoint, one.version): len(ready) for one, ready in found if one is not None}

    async def start(self) -> None:
        """Take over what runs, start what ought to.  Raises StateUnavailable."""
        try:
            await self.store.open()
        except StateUnavailable:
            await self._serve_as_before()
            raise
        before = Identity.read(self.settings.home / "supervisor.json")
        died = before is not None and not before.alive()
        await self.journal.load(died=died)
        await self.collector.open()
        with _noted():
            await self._use_no_number_twice()
            await self.keys.follow_home()
        if before is not None and died:
            self.journal.add("adopted", f"The supervisor (pid {before.pid}) {_ENDED}.")
        living = await asyncio.to_thread(processes.found, self.settings.processes)
        if await self.gateways.adopt(living):
            for pid in self.gateways.pids:
                self.journal.add("adopted", f"The gateway (pid {pid}) goes on.")
        else:
            await self._bind()
            if any(name.startswith("gateway") for name in living):
                what = "The gateway could not be taken over and was ended; a new one starts."
                self.journal.add("gateway-hung", what)
            elif died:
                what = "The gateway had ended as well; a new one starts."
                self.journal.add("gateway-ended", what)
        await self.launchers.adopt(living.values())
        self.registry_ui.adopt()
        adopted = self.replicas.adopt(living, await self.gateways.asked_at())
        if adopted:
            who = "1 replica goes" if adopted == 1 else f"{adopted} replicas go"
            self.journal.add("adopted", f"{who} on.")
        self._knows_routes = True
        self._write_routes()
        self.gateways.keep()
        self.parts.scaler.adopt(self.store.state, self.replicas.living())
        self.parts.reconcile()
        with _noted():
            await self.deploys.recover()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.keys.recover)
        self.routes.changed()
        parts = (self.routes.run, self.journal.run, self.registrar.run, self.deploys.sweep)
        own = (self.surroundings.run, self.registrar.watch, self._scale)
        for part in (*parts, self.store.run, *own, self.collector.run):
            self._spawn(_for_ever(part))

    async def _serve_as_before(self) -> None:
        """Without a state, and so without us: a gateway serves by the last good routes."""
        last = routes.last(self.settings)
        living = await asyncio.to_thread(processes.found, self.settings.processes)
        if last is None or await self.gateways.adopt(living):
            return
        self.gateways.bind(urlsplit(last.url).port or self.settings.port)
        self.gateways.keep()
        await self.gateways.serving()
        _log.warning("%s serves by its last routes; nobody watches over it", last.url)

    async def _use_no_number_twice(self) -> None:
        """Versions that the state has lost keep their folders, so their numbers are taken."""
        taken = [int(one.name) for one in self.settings.versions.iterdir() if one.name.isdecimal()]
        highest = max(taken, default=0)
        known = (one.number for every in self.store.state.versions.values() for one in every)
        if highest > max(known, default=0):
            await self.store.change(lambda c: writing.numbers_after(c, highest))

    async def _bind(self) -> None:
        """Listen where this endpoint has always been, if that is what is still asked for."""
        asked, kept = await self.store.read(_ports)
        same = asked == str(self.settings.port)
        self.gateways.bind(int(kept) if same and kept else self.settings.port)
        port = self.gateways.port
        if port not in (0, self.settings.port):
            what = f"Port {self.settings.port} was in use: {port} is kept instead."
            if self.settings.port:
                self.journal.add("port-in-use", what)
        settings = {"port asked for": self.settings.port, "port": port}
        if (asked, kept) != (str(self.settings.port), str(port)):
            await self.store.change(lambda connection: _keep(connection, settings))

    async def stop(self) -> None:
        """Stop everything; what ought to run stays written."""
        _log.info("stopping")
        await self._end_tasks()
        await self.gateways.close()
        await self.replicas.stop()
        await self.launchers.close()
        await self._close()

    def lose(self) -> None:
        """Leave what runs to another supervisor, which is there already."""
        _log.warning("another supervisor has come in, as the lock was removed; this one goes")
        self.leaving = True
        self.stopping.set()

    async def leave(self) -> None:
        """End, and leave what runs to the next supervisor."""
        _log.info("leaving what runs to the next supervisor")
        await self._end_tasks()
        # The next one's code may be another: replicas are not to be forked from this one's.
        await self.launchers.leave()
        await self._close()
        # Last: until now a gateway that died was started again with it.
        self.gateways.leave()

    async def _end_tasks(self) -> None:
        await self.deploys.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.collector.close()

    async def _close(self) -> None:
        await self.registry_ui.close()
        await self.journal.flush()
        await self.store.close()

    async def _scale(self) -> None:
        while True:
            await tick(_SCALE_SECONDS)
            if await self.parts.scaler.look(self.store.state):
                self.parts.reconcile()

    async def _published(self) -> None:
        with contextlib.suppress(OSError):
            await self.routes.publish()

    def _gave_up(self, version: Version, failure: Failure) -> None:
        self._spawn(self._give_up(version, failure))

    async def _give_up(self, version: Version, failure: Failure) -> None:
        """Said once, so it is tried until it is written, or the version serves after all."""
        while self.replicas.trouble(version.number) is not None:
            try:
                await self.traffic.give_up(version, failure)
            except StateUnavailable as error:
                _log.warning("that a version has failed is not written yet: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a change was not carried out", exc_info=task.exception())


async def _for_ever(part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a part that never ends; a fault of ours in one part does not end the others."""
    while True:
        try:
            await part()
        except Exception:  # noqa: BLE001 - logged with its trace, and the part goes on
            _log.exception("%s failed, and starts again", part.__qualname__)
            await asyncio.sleep(1.0)


@contextlib.contextmanager
def _noted() -> Iterator[None]:
    """What cannot be written now is written later; what runs is taken over all the same."""
    try:
        yield
    except StateUnavailable as error:
        _log.warning("%s", error)


def _ports(connection: Connection) -> tuple[str | None, str | None]:
    asked = reading.setting(connection, "port asked for")
    return asked, reading.setting(connection, "port")


def _keep(connection: Connection, settings: dict[str, int]) -> None:
    for name, value in settings.items():
        writing.setting(connection, name, str(value))
