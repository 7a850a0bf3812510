"""What there is, as the control API shows it."""

from __future__ import annotations

import msgspec

from jupyter_deploy.client.models import (
    EndpointStatus,
    GatewayStatus,
    RegistryStatus,
    RequestFailure,
    SupervisorStatus,
    VersionStatus,
)
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.core.uris import without_password
from jupyter_deploy.supervisor.parts import Parts
from jupyter_deploy.supervisor.registry_ui import RegistryUiProcess
from jupyter_deploy.supervisor.state import Endpoint, Version


def endpoint(parts: Parts, one: Endpoint) -> EndpointStatus:
    """One endpoint."""
    key = parts.state.notebook_key(one.name)
    deploy = parts.state.deploy_of(one.name)
    versions = parts.state.versions_of(one.name)
    return EndpointStatus(
        name=one.name,
        url=f"{parts.gateways.url}/endpoints/{one.name}",
        state=_state(parts, one),
        active=one.traffic.active,
        standby=one.traffic.standby,
        generation=one.generation,
        versions=tuple(version(parts, each, one.traffic) for each in versions),
        key_file=None if key is None else key.file,
        deploying=None if deploy is None else deploy.version,
        example=_example(parts, one),
        recent=parts.collector.recent(one.name),
        moved_alias=parts.registrar.moved(one.name),
    )


def _example(parts: Parts, one: Endpoint) -> str | None:
    if one.traffic.active is None:
        return None
    return parts.state.version(one.name, one.traffic.active).manifest.example


def _state(parts: Parts, one: Endpoint) -> str:
    if one.traffic.active is None:
        return "stopped"
    number = parts.state.version(one.name, one.traffic.active).number
    serves = parts.replicas.ready(number) and parts.replicas.trouble(number) is None
    return "serving" if serves else "degraded"


def version(parts: Parts, one: Version, traffic: Traffic) -> VersionStatus:
    """One version of an endpoint with this traffic."""
    registered = one.manifest.registered
    trouble = parts.replicas.trouble(one.number)
    return VersionStatus(
        version=one.version,
        state=parts.state.state_of(one).value,
        mlflow_version=registered.version,
        mlflow_uri=f"models:/{registered.name}/{registered.version}",
        created_at=one.created_at,
        origin=one.origin,
        why=one.why,
        reason=one.reason or (trouble.sentences if trouble else ""),
        log=one.log or (trouble.log if trouble else ()),
        replicas=parts.replicas.statuses(one.number),
        previous=one.previous,
        least_replicas=one.range.least,
        most_replicas=one.range.most,
        metrics=dict(parts.registrar.metrics(one)),
        percent=traffic.percent_of(one.version),
    )


def supervisor(parts: Parts, *, pid: int, release: str, started_at: float) -> SupervisorStatus:
    """The supervisor's own process; the note says so when the state had to be recovered."""
    recovery = parts.store.recovery
    note = "" if recovery is None else recovery.sentence
    return SupervisorStatus(pid, release, started_at, str(parts.settings.home), note)


def gateway(parts: Parts) -> GatewayStatus:
    """The gateways; the note says so when the port is not the one that was asked for."""
    asked, port = parts.settings.port, parts.gateways.port
    note = "" if asked in (0, port) else f"Port {asked} was in use: {port} is kept instead."
    wanted = parts.settings.gateway_processes
    return GatewayStatus(parts.gateways.pids, parts.gateways.url, note, wanted)


def registry(parts: Parts, ui: RegistryUiProcess) -> RegistryStatus:
    """MLflow, and how to look at it."""
    return RegistryStatus(
        tracking_uri=without_password(parts.settings.tracking_uri),
        ui_url=ui.url,
        open_with="jupyter endpoint ui",
        pending=parts.registrar.pending,
    )


def failures(lines: list[str], limit: int) -> list[RequestFailure]:
    """The requests that failed, newest first, from the gateway's own lines."""
    found: list[RequestFailure] = []
    for line in reversed(lines):
        try:
            found.append(msgspec.json.decode(line, type=RequestFailure))
        except msgspec.DecodeError:
            # The file is cut at a limit, and its last line may still be on its way.
            continue
        if len(found) == limit:
            break
    return found
