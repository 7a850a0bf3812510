"""From the desired state and what is ready to the route snapshot.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jupyter_deploy.core.snapshot import EndpointRoute, ReplicaRoute, Snapshot, VersionRoute
from jupyter_deploy.supervisor.state import Endpoint, State, Version

Ready = Mapping[int, tuple[ReplicaRoute, ...]]
#: The bins in which the predictions of a version are counted.
Bins = Callable[[Version], tuple[float, ...]]


def build(
    state: State, ready: Ready, bins: Bins, *, sequence: int, url: str, mlflow: str
) -> Snapshot:
    """The snapshot: active and standby versions of all endpoints, and all keys that may open one.

    A revoked key is left out; an expired one is refused by its date.
    """
    return Snapshot(
        sequence=sequence,
        url=url,
        endpoints=tuple(_endpoint(state, one, ready, bins) for one in state.endpoints.values()),
        keys=tuple(key.stored for key in state.keys if key.revoked_at is None),
        mlflow_version=mlflow,
    )


def _endpoint(state: State, endpoint: Endpoint, ready: Ready, bins: Bins) -> EndpointRoute:
    routed = (endpoint.traffic.active, endpoint.traffic.standby)
    versions = [state.version(endpoint.name, name) for name in routed if name is not None]
    return EndpointRoute(
        name=endpoint.name,
        active=endpoint.traffic.active,
        versions=tuple(_version(one, ready.get(one.number, ()), bins(one)) for one in versions),
    )


def _version(
    version: Version, replicas: tuple[ReplicaRoute, ...], bins: tuple[float, ...]
) -> VersionRoute:
    manifest = version.manifest
    return VersionRoute(
        version=version.version,
        mlflow_version=manifest.registered.version,
        contract=manifest.contract,
        replicas=replicas,
        example=manifest.example,
        batchable=manifest.batchable,
        timeout_seconds=version.timeout_seconds,
        bins=bins,
    )
