"""Answers of the control API, encoded as its client decodes them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path, Query, Request, Response

from jupyter_deploy.supervisor.service import Supervisor

#: Nobody waits longer for news than this in one request.
MAX_WAIT_SECONDS = 60.0

Name = Annotated[str, Path(max_length=200)]
Wait = Annotated[float, Query(ge=0.0, le=MAX_WAIT_SECONDS)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def answer(value: object, status: int = 200) -> Response:
    """`value` as JSON."""
    body = msgspec.json.encode(value)
    return Response(body, status_code=status, media_type="application/json")


def supervisor_of(request: Request) -> Supervisor:
    """The supervisor that this request is for."""
    found = request.app.state.supervisor
    assert isinstance(found, Supervisor)
    return found


def wait_of(supervisor: Supervisor, seconds: float) -> float:
    """How long a request may wait: not at all while the supervisor stops."""
    return 0.0 if supervisor.stopping.is_set() else seconds
