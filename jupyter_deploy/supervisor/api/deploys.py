"""Deploys: begin, submit, watch, abort."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from jupyter_deploy.client.models import BeginDeploy, DeployStatus, DeployTicket, SubmitDeploy
from jupyter_deploy.supervisor.api.answers import Name, Wait, answer, supervisor_of, wait_of

router = APIRouter(prefix="/api", tags=["deploys"])


@router.post("/endpoints/{name}/deploys", response_model=DeployTicket, status_code=201)
async def begin(request: Request, name: Name, body: BeginDeploy) -> Response:
    """Take the endpoint and a version number."""
    return answer(await supervisor_of(request).deploys.begin(name, body), 201)


@router.post("/deploys/{deploy_id}/submit", response_model=DeployStatus, status_code=202)
async def submit(request: Request, deploy_id: Name, body: SubmitDeploy) -> Response:
    """The staging folder is complete: prove, start, switch."""
    return answer(await supervisor_of(request).deploys.submit(deploy_id, body), 202)


@router.get("/deploys/{deploy_id}", response_model=DeployStatus)
async def progress(
    request: Request,
    deploy_id: Name,
    after: Annotated[int, Query(ge=-1)] = -1,
    wait: Wait = 0.0,
) -> Response:
    """The status once its revision is above `after`, or after `wait` seconds."""
    supervisor = supervisor_of(request)
    found = await supervisor.deploys.progress(deploy_id)
    return answer(await found.after(after, wait_of(supervisor, wait)))


@router.delete("/deploys/{deploy_id}", response_model=DeployStatus)
async def abort(request: Request, deploy_id: Name) -> Response:
    """End the deploy and remove what it left."""
    return answer(await supervisor_of(request).deploys.abort(deploy_id))
