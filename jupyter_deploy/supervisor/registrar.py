"""The registrar: has MLflow say what is so, and notices where somebody else says otherwise.

Rule 1: level-triggered: what is sent is the present truth of an endpoint, never a difference, so a
lost or repeated order does no harm.  Rule 2: an endpoint is sent until MLflow has its generation;
the store remembers which it has.  Rule 3: nothing ever waits for this.  Rule 4: an alias that a
person has moved in MLflow stays where it is until a person has chosen (core.aliases).  Rule 5: a
look imports MLflow, so nobody who writes to a registry causes one but by moving an alias of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from jupyter_deploy.client.models import AuditEntry
from jupyter_deploy.core import aliases
from jupyter_deploy.core.aliases import ACTIVE, MovedAlias, sentence
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.registered import RegistryModel
from jupyter_deploy.errors import RegistryUnavailable, StateUnavailable
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.registry_file import AliasFiles, Stamp, stamp
from jupyter_deploy.supervisor.registry_process import Order, RegistryProcess
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import State, Version
from jupyter_deploy.supervisor.store import Store, reading, writing
from jupyter_deploy.supervisor.ticks import tick

_log = logging.getLogger(__name__)

#: Long enough for the next change of somebody who is at work, short enough to give memory back.
_IDLE_SECONDS = 20.0
#: How often MLflow is looked at unasked, where something may have been written to it.
_LOOK_SECONDS = 900.0
#: The first look leaves the machine to whoever has just started Jupyter.
_FIRST_LOOK_SECONDS = 120.0
#: How often a registry that is a file is asked whether somebody has written to it: a stat.
_WATCH_SECONDS = 1.0
#: How often aliases that are moved all the time may have MLflow imported.
_GAP_SECONDS = 60.0
#: How long a tracking server that is away is left alone.
_LONGEST_WAIT_SECONDS = 300.0


def orders(state: State, endpoint: str) -> list[Order]:
    """The truth of an endpoint, one order for each registered model (there is usually one)."""
    versions = [one for one in state.versions_of(endpoint) if one.fate != "starting"]
    models: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in versions:
        registered = version.manifest.registered
        models[registered.tracking_uri, registered.name].append(version)
    return [_order(state, endpoint, uri, name, own) for (uri, name), own in models.items()]


def _order(state: State, endpoint: str, uri: str, name: str, versions: list[Version]) -> Order:
    traffic = state.endpoint(endpoint).traffic
    aliases = {ACTIVE: traffic.active, "standby": traffic.standby}
    number = {one.version: one.manifest.registered.version for one in versions}
    return {
        "tracking_uri": uri,
        "name": name,
        "aliases": {alias: number[one] for alias, one in aliases.items() if one in number},
        "tags": {
            one.manifest.registered.version: {
                "jupyter_deploy.version": one.version,
                "jupyter_deploy.state": state.state_of(one).value,
                **_form(one),
            }
            for one in versions
        },
    }


def _form(version: Version) -> dict[str, str]:
    """Which form is served, where `--compile` was asked for."""
    manifest = version.manifest
    return {"jupyter_deploy.form": manifest.form} if manifest.trials else {}


class Registrar:
    """Sends what MLflow does not know yet.  `run` and `watch` work until cancelled."""

    def __init__(
        self, settings: Settings, store: Store, journal: Journal, jitter: Callable[[], float]
    ) -> None:
        self._store = store
        self._journal = journal
        self._jitter = jitter
        self._work = asyncio.Event()
        self._work.set()
        self._process = RegistryProcess(settings)
        self._tracking_uri = settings.tracking_uri
        self._failures = 0
        self._next_look = time.monotonic() + _FIRST_LOOK_SECONDS
        self._seen: dict[str, Stamp | None] = {}
        self._files = AliasFiles()
        #: Where `active` stood when MLflow was last asked, by tracking URI and registered model.
        self._stands: dict[tuple[str, str], str | None] = {}
        #: Endpoints of which somebody seems to have moved the alias.
        self._suspects: set[str] = set()
        self._next_gap = 0.0
        self._moved: dict[str, MovedAlias] = {}
        self._metrics: dict[tuple[str, str], dict[str, float]] = {}

    @property
    def pending(self) -> int:
        """How many endpoints MLflow does not show as they are."""
        return len(self._unregistered())

    def moved(self, endpoint: str) -> MovedAlias | None:
        """The alias `active`, where somebody has moved it in MLflow and nothing was chosen yet."""
        return self._moved.get(endpoint)

    def metrics(self, version: Version) -> Mapping[str, float]:
        """The metrics of the MLflow run of a version, as far as they have been read."""
        return self._metrics.get((version.endpoint, version.version), {})

    def _unregistered(self) -> list[str]:
        every = self._store.state.endpoints.values()
        return [one.name for one in every if one.registered < one.generation]

    def changed(self) -> None:
        """An endpoint has changed."""
        self._work.set()

    def look(self) -> None:
        """Somebody may have changed the registry: look soon."""
        self._next_look = time.monotonic()
        self._work.set()

    async def put_back(self, endpoint: str, origin: Origin) -> None:
        """Have the alias name what serves, wherever it was moved.  Raises RegistryUnavailable."""
        alias = self._moved.get(endpoint)
        again = () if alias is None else (alias.mlflow_version,)
        try:
            await self._register(endpoint, also_told=again)
        except (OSError, ValueError) as error:
            raise RegistryUnavailable(
                f"MLflow does not put the alias of {endpoint} back: {error}.", "Try again."
            ) from error
        # After it: what MLflow refused, or somebody has moved again, is no change.
        if alias is not None and endpoint not in self._moved:
            one = self._store.state.endpoint(endpoint)
            entry = AuditEntry(
                at=time.time(),
                endpoint=endpoint,
                generation=one.generation,
                action="alias-put-back",
                detail=aliases.put_back(one.traffic.active, alias),
                origin=origin,
            )
            await self._store.change(lambda connection: writing.audit(connection, entry))

    async def models(self) -> list[RegistryModel]:
        """The registered models.  Raises RegistryUnavailable."""
        import msgspec

        try:
            answer = await self._process.send({"tracking_uri": self._tracking_uri})
        except (OSError, ValueError) as error:
            raise RegistryUnavailable(
                f"MLflow cannot be asked for its models: {error}.", "logs/registry.log says more."
            ) from error
        # The process ends by itself after a while.
        self._work.set()
        return msgspec.convert(answer["models"], list[RegistryModel])

    async def run(self) -> None:
        """Send until cancelled; what fails is tried again, later each time."""
        try:
            while True:
                await self._until_work()
                self._work.clear()
                if not (await self._send_all() and await self._remove_left()):
                    await self._back_off()
        finally:
            # No time for what is under way: the next supervisor sends it again.
            await self._process.close(0.0)

    async def watch(self) -> None:
        """Notice within seconds what a script moves in a registry that is a file."""
        while True:
            await tick(_WATCH_SECONDS)
            # Its file may be on a disk that has gone away.
            written = await asyncio.to_thread(self._files.written, self._registries())
            self._suspects.update(self._elsewhere(written))
            # A process that has MLflow looks at once.
            if self._suspects and (self._process.running or time.monotonic() >= self._next_gap):
                if not self._process.running:
                    self._next_gap = time.monotonic() + _GAP_SECONDS
                self._work.set()

    def _elsewhere(self, written: dict[str, dict[str, str]]) -> Iterator[str]:
        """The endpoints whose alias does not stand where it stood when MLflow was last asked.

        Told by where it stands, not by what has changed since the last look: we may have put it
        elsewhere in between, and somebody else may have put it back.
        """
        for name in self._store.state.endpoints if written else ():
            for order in orders(self._store.state, name):
                uri, model = order["tracking_uri"], order["name"]
                known = self._stands.get((uri, model), order["aliases"].get(ACTIVE))
                if uri in written and written[uri].get(model) != known:
                    yield name

    async def _until_work(self) -> None:
        if self._process.running and not await self._work_within(_IDLE_SECONDS):
            await self._process.close()
        while time.monotonic() < self._next_look:
            if await self._work_within(self._next_look - time.monotonic()):
                return

    async def _work_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._work.wait()
        return self._work.is_set()

    async def _back_off(self) -> None:
        self._failures += 1
        # Each try imports MLflow for some seconds, and a change of an endpoint is tried at once.
        longest = min(_LONGEST_WAIT_SECONDS, 2.0**self._failures)
        await self._work_within(longest * (0.5 + self._jitter() / 2))
        self._work.set()

    async def _send_all(self) -> bool:
        suspects, self._suspects = self._suspects, set()
        if await self._send_those(suspects):
            return True
        self._suspects |= suspects
        return False

    async def _send_those(self, suspects: set[str]) -> bool:
        """Send them and what MLflow does not know, or all when it is time; whether that worked."""
        names, seen = list(dict.fromkeys([*self._unregistered(), *suspects])), self._seen
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            # Taken first: what is written while we look differs at the next look.
            seen = self._stamps()
            if seen != self._seen or None in seen.values():
                names = list(self._store.state.endpoints)
        away: set[str] = set()
        for name in names:
            registries = self._registries(name)
            if registries & away:
                continue
            try:
                await self._register(name)
            except StateUnavailable as error:
                _log.warning("what MLflow shows of %s is not written: %s", name, error)
                return False
            except (OSError, ValueError) as error:
                _log.warning("MLflow does not show %s as it is: %s", name, error)
                if not away:
                    self._note_absence(error)
                away |= registries
        if away:
            return False
        self._seen = seen
        self._note_return()
        return True

    def _registries(self, name: str | None = None) -> set[str]:
        """Those that have versions of an endpoint, or of any."""
        state = self._store.state
        every = state.versions.values() if name is None else (state.versions_of(name),)
        versions = chain.from_iterable(every)
        return {version.manifest.registered.tracking_uri for version in versions}

    def _stamps(self) -> dict[str, Stamp | None]:
        return {uri: stamp(uri) for uri in self._registries()}

    def _note_absence(self, error: Exception) -> None:
        # Once is nothing to tell: the next try may find it.
        if self._failures == 1:
            why = " ".join(str(error).split())[:200].rstrip(".")
            what = "MLflow does not answer; what serves goes on, and MLflow is told when it is back"
            self._journal.add("registry-away", f"{what}: {why}.")

    def _note_return(self) -> None:
        if self._failures > 1:
            self._journal.add("registry-back", "MLflow answers again, and shows what serves.")
        self._failures = 0

    async def _remove_left(self) -> bool:
        """Remove from MLflow what deploys that were cut have left; whether that worked."""
        try:
            for deploy_id, name, uri in await self._store.read(reading.left):
                order = {"tracking_uri": uri, "name": name, "discard": deploy_id}
                await self._process.send(order)
                await self._store.change(
                    lambda connection, one=deploy_id: writing.removed(connection, one)  # type: ignore[misc]
                )
        except (OSError, ValueError, StateUnavailable) as error:
            _log.warning("MLflow still has what a deploy has left: %s", error)
            return False
        return True

    async def _register(self, name: str, also_told: tuple[str, ...] = ()) -> None:
        """Have MLflow show the endpoint.  Raises OSError, ValueError or StateUnavailable."""
        generation = self._store.state.endpoint(name).generation
        alias: str | None = None
        for order in orders(self._store.state, name):
            answer = await self._carry_out(name, order, also_told)
            alias = answer.get("moved") or alias
            self._note_metrics(name, answer.get("metrics", {}))
        if self._store.state.endpoint(name).registered < generation:
            await self._store.change(lambda c: writing.registered(c, name, generation))
        self._note(name, alias)

    async def _carry_out(self, name: str, order: Order, also_told: tuple[str, ...]) -> Order:
        key = f"active alias of {name} in {order['name']}"
        kept = await self._store.read(lambda c: reading.setting(c, key))
        told = set(json.loads(kept or "[]"))
        wanted = {one for one in [order["aliases"].get(ACTIVE)] if one is not None}
        # Before and after: a supervisor that dies in between knows that either may be its own.
        await self._keep(key, told | wanted, told)
        never = kept is None and not also_told
        known = {"told": None if never else sorted(told.union(also_told))}
        answer = await self._process.send(order | known)
        self._stands[order["tracking_uri"], order["name"]] = answer.get("stands")
        if answer.get("moved") is None:
            await self._keep(key, wanted, told | wanted)
        return answer

    async def _keep(self, key: str, told: set[str], before: set[str]) -> None:
        if told != before:
            await self._store.change(lambda c: writing.setting(c, key, json.dumps(sorted(told))))

    def _note(self, name: str, number: str | None) -> None:
        before = self._moved.pop(name, None)
        if number is None:
            if before is not None:
                self._journal.add("alias-settled", "MLflow shows what serves.", endpoint=name)
            return
        state = self._store.state
        ours = (v.version for v in state.versions_of(name) if _mlflow_number(v) == number)
        alias = MovedAlias(number, next(ours, None))
        self._moved[name] = alias
        if alias != before:
            said = sentence(name, state.endpoint(name).traffic.active, alias)
            self._journal.add("alias-moved", said, endpoint=name)

    def _note_metrics(self, name: str, found: dict[str, dict[str, float]]) -> None:
        for version in self._store.state.versions_of(name):
            metrics = found.get(_mlflow_number(version))
            if metrics:
                self._metrics[name, version.version] = metrics


def _mlflow_number(version: Version) -> str:
    return version.manifest.registered.version
