"""Errors on the control API: problem documents, always.

Rule: what a person can be told goes out as it is; anything else is a fault of ours, is logged with
its trace under the request's id, and goes out as one sentence with that id.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from jupyter_deploy.errors import (
    DeployError,
    MethodNotAllowed,
    StateUnavailable,
    UnknownRoute,
    UsageError,
)

_log = logging.getLogger(__name__)
_MEDIA_TYPE = "application/problem+json"


def install(app: FastAPI) -> None:
    """Have `app` answer every error with a problem document."""
    app.add_exception_handler(DeployError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, _no_access)
    app.add_exception_handler(Exception, _unknown)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, DeployError)
    return _problem(error, _new_id(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and why, never the value: a body may hold what nobody else may see.
    places = [f"{_place(one)}: {one['msg']}" for one in error.errors()[:3]]
    return _problem(UsageError(f"The request is not valid: {'; '.join(places)}."), _new_id(request))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    known: DeployError = UnknownRoute(path)
    if error.status_code == MethodNotAllowed.status:
        known = MethodNotAllowed(request.method, (error.headers or {}).get("allow", "another"))
    return _problem(known, _new_id(request))


async def _no_access(request: Request, error: Exception) -> Response:
    if isinstance(error, DeployError):
        return _problem(error, _new_id(request))
    assert isinstance(error, OSError)
    detail = f"A file of the supervisor cannot be used: {error.strerror or 'no reason given'}."
    _log.warning("%s", detail, exc_info=error)
    return _problem(StateUnavailable(detail, "Make room or give access."), _new_id(request))


async def _unknown(request: Request, error: Exception) -> Response:
    request_id = _new_id(request)
    _log.error("request %s failed", request_id, exc_info=error)
    fault = DeployError(
        "The supervisor failed on this request.",
        f"Its log (logs/supervisor.log) says more under {request_id}.",
    )
    return _problem(fault, request_id)


def _problem(error: DeployError, request_id: str) -> Response:
    return Response(
        msgspec.json.encode(error.problem(request_id)),
        status_code=error.status,
        media_type=_MEDIA_TYPE,
        headers=dict(error.headers()),
    )


def _place(error: Any) -> str:
    return "/".join(str(part) for part in error["loc"]) or "the request"


def _new_id(_request: Request) -> str:
    return secrets.token_hex(8)
