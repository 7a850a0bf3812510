"""What is served now, compiled from the route snapshot: paths, versions, keys and limits.

Rule 1: a snapshot is applied in one step between two requests.  Rule 2: a version that did not
change keeps its queue, its connections and its counts; one that is gone finishes what it has.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from jupyter_deploy.core.snapshot import EndpointRoute, Snapshot, VersionRoute
from jupyter_deploy.errors import UnknownRoute
from jupyter_deploy.gateway.admission import Admission, own_bucket
from jupyter_deploy.gateway.auth import Keyring
from jupyter_deploy.gateway.dispatch.poison import PoisonLedger
from jupyter_deploy.gateway.history import Recorder
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.metrics import VersionMetrics
from jupyter_deploy.gateway.service import KeepFailure, VersionService
from jupyter_deploy.gateway.sharing.counts import Report, together
from jupyter_deploy.gateway.sharing.shared import Shared

_decoder = msgspec.json.Decoder(Snapshot)
#: Versions whose counts are kept; the oldest go first.
_MOST_COUNTED = 2000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint with the versions that can be called."""

    name: str
    active: VersionService | None
    versions: dict[str, VersionService]

    def service(self, version: str | None) -> VersionService:
        """The version named, or the active one.  Raises UnknownRoute."""
        service = self.active if version is None else self.versions.get(version)
        if service is None:
            fix = "Ask the owner to deploy or to promote a version." if version is None else ""
            raise UnknownRoute(f"{self.name} {version or ''}".rstrip(), fix)
        return service


@dataclass(frozen=True, slots=True)
class Target:
    """Where a prediction path leads.

    `tensors` says that it speaks the Open Inference Protocol, `pinned` that it names the version.
    """

    service: VersionService
    tensors: bool
    pinned: bool = False


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in `path`.  Raises OSError or msgspec.MsgspecError."""
    return _decoder.decode(path.read_bytes())


class Routes:
    """The present routes.  `apply` replaces them.  `shared` is what several gateways share."""

    def __init__(self, keep: KeepFailure, log: Log, shared: Shared | None = None) -> None:
        self.snapshot = Snapshot(sequence=-1, url="")
        self.keyring = Keyring(())
        self.admission = Admission(own_bucket if shared is None else shared.bucket)
        self.endpoints: dict[str, Endpoint] = {}
        self.predictions: dict[str, Target] = {}
        self._counts: dict[tuple[str, str], VersionMetrics] = {}
        self.recorder = Recorder(self.counts, self._write_counts)
        self._keep = keep
        self._log = log
        self._shared = shared
        if shared is not None:
            for totals in shared.counts.before():
                self._metrics(totals.endpoint, totals.version).merge(totals)

    def apply(self, snapshot: Snapshot) -> None:
        """Serve by `snapshot` from the next request on.

        Also by one with a lower sequence: the file is the truth, and a supervisor that has lost it
        counts from the start again.
        """
        if snapshot == self.snapshot:
            return
        gone = {id(service): service for service in self.services()}
        endpoints = {route.name: self._endpoint(route) for route in snapshot.endpoints}
        self.admission.update(snapshot.keys, time.monotonic())
        self.snapshot, self.endpoints = snapshot, endpoints
        self.keyring = Keyring(snapshot.keys)
        self.predictions = dict(_prediction_paths(endpoints))
        for service in self.services():
            gone.pop(id(service), None)
        for endpoint in endpoints.values():
            for service in endpoint.versions.values():
                service.queue.has_traffic(so=service is endpoint.active)
        for service in gone.values():
            service.queue.retire()
        self._log.info("routes applied", sequence=snapshot.sequence, endpoints=len(endpoints))

    def services(self) -> Iterator[VersionService]:
        """Every version of every endpoint."""
        for endpoint in self.endpoints.values():
            yield from endpoint.versions.values()

    def counts(self) -> list[VersionMetrics]:
        """The counts of all versions, also of those that are gone."""
        for service in self.services():
            service.refresh_metrics()
        return list(self._counts.values())

    async def all_counts(self) -> tuple[list[VersionMetrics], list[int]]:
        """The counts of all gateways, and the pids of those that are not alone."""
        if self._shared is None:
            return self.counts(), []
        reports: list[Report] = await self._shared.counts.all(self.counts())
        return together(reports), [report.pid for report in reports if report.pid]

    def _write_counts(self) -> None:
        if self._shared is not None:
            self._shared.counts.write(self._counts.values())

    def _endpoint(self, route: EndpointRoute) -> Endpoint:
        versions = {one.version: self._service(route.name, one) for one in route.versions}
        active = versions.get(route.active) if route.active else None
        return Endpoint(route.name, active, versions)

    def _service(self, name: str, route: VersionRoute) -> VersionService:
        present = self.endpoints.get(name)
        service = present.versions.get(route.version) if present else None
        if service is None or not service.serves(route):
            counts = self._metrics(name, route.version)
            shared = self._shared
            ledger = PoisonLedger() if shared is None else shared.ledger(name, route.version)
            processes = 1 if shared is None else shared.processes
            service = VersionService(name, route, counts, ledger, self._keep, self._log, processes)
        service.update(route)
        return service

    def _metrics(self, name: str, version: str) -> VersionMetrics:
        key = (name, version)
        while len(self._counts) >= _MOST_COUNTED and key not in self._counts:
            del self._counts[next(iter(self._counts))]
        return self._counts.setdefault(key, VersionMetrics(name, version, self.recorder.wake))


def _prediction_paths(endpoints: dict[str, Endpoint]) -> Iterator[tuple[str, Target]]:
    for name, endpoint in endpoints.items():
        for version, service in endpoint.versions.items():
            pinned = f"/versions/{version}"
            yield (
                f"/endpoints/{name}{pinned}/invocations",
                Target(service, tensors=False, pinned=True),
            )
            yield f"/v2/models/{name}{pinned}/infer", Target(service, tensors=True, pinned=True)
        if endpoint.active is not None:
            yield f"/endpoints/{name}/invocations", Target(endpoint.active, tensors=False)
            yield f"/v2/models/{name}/infer", Target(endpoint.active, tensors=True)
