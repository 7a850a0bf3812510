"""The supervisor as a whole: status, events, audit, the MLflow UI, the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from jupyter_deploy import __version__
from jupyter_deploy.client.models import AuditEntry, Event, RegistryUi, Status, Stop
from jupyter_deploy.client.upgrades import Upgrade, Upgraded
from jupyter_deploy.core.registered import RegistryModel
from jupyter_deploy.errors import StateUnavailable, Unavailable
from jupyter_deploy.supervisor import views
from jupyter_deploy.supervisor.api.answers import Wait, answer, supervisor_of, wait_of
from jupyter_deploy.supervisor.parts import audit_entry
from jupyter_deploy.supervisor.service import Supervisor
from jupyter_deploy.supervisor.store import reading, writing
from jupyter_deploy.supervisor.succession import Successor

router = APIRouter(prefix="/api", tags=["supervisor"])
_AUDIT_LIMIT = 500
_EVENTS_OF_ONE = 100
#: Who stops everything is waited for on a slow disk no longer than this.
_NOTED_SECONDS = 2.0


@router.get("/ping")
async def ping() -> dict[str, int]:
    """The pid of the supervisor."""
    return {"pid": os.getpid()}


@router.get("/status", response_model=Status)
async def status(request: Request) -> Response:
    """Everything there is."""
    supervisor = supervisor_of(request)
    parts = supervisor.parts
    parts.collector.look()
    return answer(
        Status(
            supervisor=views.supervisor(
                parts, pid=os.getpid(), release=__version__, started_at=supervisor.started_at
            ),
            gateway=views.gateway(parts),
            registry=views.registry(parts, supervisor.registry_ui),
            endpoints=tuple(views.endpoint(parts, one) for one in parts.state.endpoints.values()),
        )
    )


@router.get("/events", response_model=list[Event])
async def events(
    request: Request,
    after: Annotated[int, Query(ge=0)] = 0,
    wait: Wait = 0.0,
    endpoint: str | None = None,
) -> Response:
    """What happened after event number `after`; waits up to `wait` seconds for the first.

    With an endpoint, only what is known of that one, and the last of it.
    """
    supervisor = supervisor_of(request)
    found = await supervisor.journal.after(after, wait_of(supervisor, wait))
    if endpoint is not None:
        found = [event for event in found if event.endpoint == endpoint][-_EVENTS_OF_ONE:]
    return answer(found)


@router.get("/audit", response_model=list[AuditEntry])
async def audit(request: Request) -> Response:
    """Who changed what and when, newest first."""
    store = supervisor_of(request).store
    return answer(await store.read(lambda c: reading.audit(c, None, _AUDIT_LIMIT)))


@router.post("/registry-ui", response_model=RegistryUi)
async def registry_ui(request: Request) -> Response:
    """The MLflow UI, started if need be."""
    supervisor = supervisor_of(request)
    supervisor.registrar.look()
    return answer(await supervisor.registry_ui.open())


@router.get("/registry-models", response_model=list[RegistryModel])
async def registry_models(request: Request) -> Response:
    """The registered models of the registry, with their newest versions."""
    return answer(await supervisor_of(request).registrar.models())


@router.post("/registry-look", status_code=202)
async def registry_look(request: Request) -> dict[str, str]:
    """The registry may have changed: the supervisor looks soon."""
    supervisor_of(request).registrar.look()
    return {"state": "looking"}


@router.post("/upgrade", response_model=Upgraded)
async def upgrade(request: Request, body: Upgrade) -> Response:
    """Gateways of the code that is installed now take over; nobody is refused."""
    return answer(await supervisor_of(request).upgrades.gateways(body.origin))


@router.post("/hand-over", status_code=202)
async def hand_over(request: Request, body: Upgrade) -> dict[str, str]:
    """The supervisor ends, and leaves all that it keeps to the next one."""
    supervisor = supervisor_of(request)
    _check_that_it_goes_on(supervisor)
    await supervisor.upgrades.hand_over(body.origin)
    _check_that_it_goes_on(supervisor)
    supervisor.leaving, supervisor.successor = True, Successor.of(body.origin)
    supervisor.stopping.set()
    return {"state": "handing over"}


@router.post("/stop", status_code=202)
async def stop(request: Request, body: Stop) -> dict[str, str]:
    """Stop everything, the supervisor included; it starts again as it was."""
    supervisor = supervisor_of(request)
    if supervisor.leaving:
        raise Unavailable("Another supervisor takes over just now.", "Run the command again.")
    who = body.origin.user
    entry = audit_entry("", 0, "stopped", "everything", body.origin)
    # A disk that is full or hangs must keep nobody from stopping.
    with contextlib.suppress(StateUnavailable, TimeoutError):
        async with asyncio.timeout(_NOTED_SECONDS):
            await supervisor.store.change(lambda connection: writing.audit(connection, entry))
    supervisor.journal.add("stopped", f"{who} ({body.origin.via}) has stopped everything.")
    supervisor.stopping.set()
    return {"state": "stopping"}


def _check_that_it_goes_on(supervisor: Supervisor) -> None:
    """Raises Unavailable: what is to be stopped is left to nobody."""
    if supervisor.stopping.is_set():
        raise Unavailable("The supervisor is about to end.", "Run the command again.")
