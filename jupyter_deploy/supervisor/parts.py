"""The parts that every change needs, and what makes actual state follow desired state.

Rule: after each committed change and each change of a hold, `reconcile` is called; it starts and
stops replicas, and nothing else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_deploy.client.models import AuditEntry
from jupyter_deploy.client.person import system_user
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.supervisor.gateways import Gateways
from jupyter_deploy.supervisor.happenings import Action
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.metrics.baselines import Baselines
from jupyter_deploy.supervisor.metrics.collector import Collector
from jupyter_deploy.supervisor.registrar import Registrar
from jupyter_deploy.supervisor.replicas import Replicas
from jupyter_deploy.supervisor.routes import Routes
from jupyter_deploy.supervisor.scaler import Scaler
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import State, Version, desired
from jupyter_deploy.supervisor.store import Store


@dataclass(slots=True)
class Parts:
    """The parts of one supervisor."""

    settings: Settings
    store: Store
    journal: Journal
    gateways: Gateways
    launchers: Launchers
    replicas: Replicas
    routes: Routes
    registrar: Registrar
    collector: Collector
    baselines: Baselines
    scaler: Scaler
    _holds: dict[int, Counter[int]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """What the last committed change has left."""
        return self.store.state

    def reconcile(self) -> None:
        """Have the replicas follow what ought to be."""
        holds = {number: max(counts) for number, counts in self._holds.items() if counts}
        warm = self.settings.standby_warm
        scaled = self.scaler.wanted
        self.replicas.want(desired(self.state, holds, standby_warm=warm, scaled=scaled))

    def needed(self, version: Version) -> int:
        """How many replicas a version needs to take the traffic of the one that serves now."""
        active = self.state.endpoint(version.endpoint).traffic.active
        living, count = self.replicas.living(), 0
        if active is not None:
            count = living[self.state.version(version.endpoint, active).number]
        return self.scaler.begin(version, max(count, living[version.number]))

    @contextlib.contextmanager
    def hold(self, number: int, count: int) -> Iterator[None]:
        """Have at least `count` replicas of a version, whatever the traffic."""
        counts = self._holds.setdefault(number, Counter())
        counts[count] += 1
        self.reconcile()
        try:
            yield
        finally:
            counts[count] -= 1
            self._holds[number] = +counts
            self.reconcile()

    def lock(self, endpoint: str) -> asyncio.Lock:
        """Held while the traffic of an endpoint changes."""
        return self._locks.setdefault(endpoint, asyncio.Lock())


def ourselves() -> Origin:
    """The origin of what the supervisor changes by itself."""
    return Origin(user=system_user(), via="supervisor")


def audit_entry(
    endpoint: str, generation: int, action: Action, detail: str, origin: Origin
) -> AuditEntry:
    """An entry of now."""
    return AuditEntry(time.time(), endpoint, generation, action, detail, origin)
