"""Endpoints: what they are, what they did, and the changes of their traffic."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from jupyter_deploy.client.figures import EndpointMetrics
from jupyter_deploy.client.models import (
    AuditEntry,
    ChangeTraffic,
    EndpointStatus,
    RequestFailure,
    TrafficChanged,
    TryAnswer,
    TryForm,
)
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.core.series import DAY
from jupyter_deploy.errors import Conflict
from jupyter_deploy.supervisor import dashboard, holders, logs, trying, views
from jupyter_deploy.supervisor.api.answers import Limit, Name, answer, supervisor_of
from jupyter_deploy.supervisor.store import reading

router = APIRouter(prefix="/api/endpoints", tags=["endpoints"])
_AUDIT_LIMIT = 500
#: Seconds; hours are kept as long as the longest.
Window = Annotated[float, Query(ge=60.0, le=90 * DAY)]


@dataclass(frozen=True)
class Asked:
    """Who asks."""

    origin: Origin


@router.get("", response_model=list[EndpointStatus])
async def every(request: Request) -> Response:
    """All endpoints."""
    parts = supervisor_of(request).parts
    parts.collector.look()
    return answer([views.endpoint(parts, one) for one in parts.state.endpoints.values()])


@router.get("/{name}", response_model=EndpointStatus)
async def one(request: Request, name: Name) -> Response:
    """One endpoint."""
    parts = supervisor_of(request).parts
    return answer(views.endpoint(parts, parts.state.endpoint(endpoint_name(name))))


@router.delete("/{name}", response_model=EndpointStatus)
async def undeploy(request: Request, name: Name, body: Asked) -> Response:
    """Nothing of the endpoint runs any more; its history and its keys stay."""
    supervisor = supervisor_of(request)
    state = supervisor.parts.state
    state.endpoint(endpoint_name(name))
    deploy = state.deploy_of(name)
    if deploy is not None and deploy.state == "running":
        raise holders.in_progress(deploy)
    await supervisor.traffic.undeploy(name, body.origin)
    return answer(views.endpoint(supervisor.parts, supervisor.parts.state.endpoint(name)))


@router.post("/{name}/rollback", response_model=TrafficChanged)
async def rollback(request: Request, name: Name, body: ChangeTraffic) -> Response:
    """All traffic to the version before, or to the one named."""
    supervisor = supervisor_of(request)
    return answer(await supervisor.traffic.rollback(endpoint_name(name), body))


@router.post("/{name}/promote", response_model=TrafficChanged)
async def promote(request: Request, name: Name, body: ChangeTraffic) -> Response:
    """All traffic to the standby, or to the one named."""
    supervisor = supervisor_of(request)
    return answer(await supervisor.traffic.promote(endpoint_name(name), body))


@router.post("/{name}/put-alias-back", response_model=EndpointStatus)
async def put_alias_back(request: Request, name: Name, body: Asked) -> Response:
    """MLflow's alias `active` names what serves, wherever it was moved."""
    parts = supervisor_of(request).parts
    endpoint = parts.state.endpoint(endpoint_name(name))
    await parts.registrar.put_back(endpoint.name, body.origin)
    return answer(views.endpoint(parts, endpoint))


@router.get("/{name}/form", response_model=TryForm)
async def form(request: Request, name: Name) -> Response:
    """What the active version takes, and a row of its sample."""
    return answer(trying.form(supervisor_of(request).parts, endpoint_name(name)))


@router.post("/{name}/try", response_model=TryAnswer)
async def try_it(request: Request, name: Name) -> Response:
    """The answer to this body, asked through the gateway with the notebook's key."""
    parts = supervisor_of(request).parts
    return answer(await trying.ask(parts, endpoint_name(name), await request.body()))


@router.get("/{name}/errors", response_model=list[RequestFailure])
async def errors(request: Request, name: Name, limit: Limit = 50) -> Response:
    """The last requests that failed on our side, newest first."""
    parts = supervisor_of(request).parts
    endpoint = parts.state.endpoint(endpoint_name(name))
    file = parts.settings.errors / f"{endpoint.name}.jsonl"
    lines = await asyncio.to_thread(logs.last_lines, file, limit, width=1 << 20)
    return answer(views.failures(lines, limit))


@router.get("/{name}/logs", response_model=list[str])
async def log_lines(
    request: Request, name: Name, version: str | None = None, lines: Limit = 50
) -> Response:
    """The last lines that the replicas of a version (the active one) have printed."""
    parts = supervisor_of(request).parts
    endpoint = parts.state.endpoint(endpoint_name(name))
    wanted = version or endpoint.traffic.active
    if wanted is None:
        raise Conflict(f"{name!r} serves nothing now.", "Name a version to see its log.")
    number = parts.state.version(name, wanted).number
    return answer(await asyncio.to_thread(logs.last_lines, parts.settings.log_of(number), lines))


@router.get("/{name}/metrics", response_model=EndpointMetrics)
async def metrics(request: Request, name: Name, window: Window = 3600.0) -> Response:
    """What the endpoint did in the last `window` seconds."""
    parts = supervisor_of(request).parts
    endpoint = parts.state.endpoint(endpoint_name(name))
    return answer(await dashboard.document_of(parts, endpoint, window))


@router.get("/{name}/audit", response_model=list[AuditEntry])
async def audit(request: Request, name: Name) -> Response:
    """Who changed what and when, newest first."""
    parts = supervisor_of(request).parts
    endpoint = parts.state.endpoint(endpoint_name(name))
    entries = await parts.store.read(lambda c: reading.audit(c, endpoint.name, _AUDIT_LIMIT))
    return answer(entries)
