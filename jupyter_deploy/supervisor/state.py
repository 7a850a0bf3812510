"""The desired state, as read from the store: what exists and what ought to run.

Rule 1: immutable; after each committed change the store gives a new one.  Rule 2: nothing here
knows of processes.  Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_deploy.client.models import DeployOptions
from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.core.manifest import Manifest, Origin
from jupyter_deploy.core.names import NOTEBOOK
from jupyter_deploy.core.scaling import Range
from jupyter_deploy.core.traffic import Traffic, VersionState
from jupyter_deploy.core.versions import parse_version
from jupyter_deploy.errors import NotFound


@dataclass(frozen=True, slots=True)
class Version:
    """One version: `number` is unique over all endpoints and names its folder.

    `fate` is "starting" (its deploy runs), "good" or "failed".
    """

    number: int
    endpoint: str
    version: str
    fate: str
    why: str
    reason: str
    log: tuple[str, ...]
    created_at: float
    origin: Origin
    previous: str | None
    replicas: int
    timeout_seconds: float
    manifest: Manifest
    #: None: always `replicas`, whatever the load.
    most_replicas: int | None = None

    @property
    def range(self) -> Range:
        """How many replicas it may have."""
        return Range(self.replicas, self.most_replicas or self.replicas)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: `registered` is the last generation that MLflow knows of."""

    name: str
    generation: int
    traffic: Traffic
    registered: int


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its secret; `file` is where the secret was written."""

    stored: StoredKey
    created_at: float
    revoked_at: float | None
    file: str


@dataclass(frozen=True, slots=True)
class Deploy:
    """One deploy that is open or running; `number` is that of its version once submitted."""

    deploy_id: str
    endpoint: str
    version: str
    state: str
    since: float
    origin: Origin
    options: DeployOptions
    why: str
    previous: str | None
    number: int | None


@dataclass(frozen=True, slots=True)
class State:
    """Everything.  `versions` holds those of each endpoint, oldest first."""

    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    deploys: tuple[Deploy, ...] = ()

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint.  Raises NotFound."""
        found = self.endpoints.get(name)
        if found is None:
            raise NotFound("endpoint", name, sorted(self.endpoints))
        return found

    def versions_of(self, name: str) -> tuple[Version, ...]:
        """All versions of an endpoint, oldest first."""
        return self.versions.get(name, ())

    def version(self, name: str, version: str) -> Version:
        """One version.  Raises NotFound."""
        for found in self.versions_of(name):
            if found.version == version:
                return found
        known = [one.version for one in self.versions_of(name)]
        raise NotFound(f"version of {name} named", version, known)

    def by_number(self, number: int) -> Version | None:
        """The version with this number, if there is one."""
        every = (one for versions in self.versions.values() for one in versions)
        return next((one for one in every if one.number == number), None)

    def good(self, name: str) -> list[str]:
        """The versions of an endpoint that can serve, oldest first."""
        return [one.version for one in self.versions_of(name) if one.fate == "good"]

    def newest_good(self, name: str) -> Version | None:
        """The active version, or the highest that has been able to serve."""
        active = self.endpoints[name].traffic.active if name in self.endpoints else None
        if active is not None:
            return self.version(name, active)
        good = [one for one in self.versions_of(name) if one.fate == "good"]
        return max(good, key=lambda one: parse_version(one.version), default=None)

    def state_of(self, version: Version) -> VersionState:
        """Where a version is in its life."""
        match version.fate:
            case "failed":
                return VersionState.FAILED
            case "starting":
                return VersionState.STARTING
            case _:
                return self.endpoints[version.endpoint].traffic.state_of(version.version)

    def key(self, key_id: str) -> Key:
        """One key.  Raises NotFound."""
        found = next((key for key in self.keys if key.stored.key_id == key_id), None)
        if found is None:
            raise NotFound("key", key_id)
        return found

    def notebook_key(self, endpoint: str) -> Key | None:
        """The key that the notebook's own calls use."""
        mine = (
            key
            for key in self.keys
            if key.stored.consumer == NOTEBOOK
            and key.stored.endpoints == (endpoint,)
            and key.revoked_at is None
        )
        return next(mine, None)

    def deploy_of(self, endpoint: str) -> Deploy | None:
        """The deploy that holds this endpoint."""
        return next((one for one in self.deploys if one.endpoint == endpoint), None)


def desired(
    state: State,
    holds: Mapping[int, int],
    *,
    standby_warm: bool,
    scaled: Mapping[int, int] | None = None,
) -> dict[int, int]:
    """How many replicas each version (by number) ought to have.

    `holds` are the versions that a deploy or a change of traffic is bringing up; `scaled` says how
    many those need whose number follows the load.
    """
    wanted = dict(holds)
    for endpoint in state.endpoints.values():
        warm = [endpoint.traffic.active, endpoint.traffic.standby if standby_warm else None]
        for name in filter(None, warm):
            version = state.version(endpoint.name, name)
            needed = version.range.clamp((scaled or {}).get(version.number, 0))
            wanted[version.number] = max(needed, wanted.get(version.number, 0))
    return wanted
