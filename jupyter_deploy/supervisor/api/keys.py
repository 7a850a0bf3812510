"""Keys: list, create, rotate, revoke.  No answer holds a secret."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from jupyter_deploy.client.models import CreateKey, IssuedKey, KeyStatus, RevokeKey, RotateKey
from jupyter_deploy.supervisor.api.answers import Name, answer, supervisor_of

router = APIRouter(prefix="/api/keys", tags=["keys"])


@router.get("", response_model=list[KeyStatus])
async def every(request: Request, endpoint: str | None = None) -> Response:
    """The keys that open `endpoint`, or all."""
    return answer(supervisor_of(request).keys.list(endpoint))


@router.post("", response_model=IssuedKey, status_code=201)
async def create(request: Request, body: CreateKey) -> Response:
    """A new key, written into a 0600 file."""
    return answer(await supervisor_of(request).keys.create(body), 201)


@router.post("/{key_id}/rotate", response_model=IssuedKey)
async def rotate(request: Request, key_id: Name, body: RotateKey) -> Response:
    """A new secret for the same key."""
    return answer(await supervisor_of(request).keys.rotate(key_id, body))


@router.post("/{key_id}/revoke", response_model=KeyStatus)
async def revoke(request: Request, key_id: Name, body: RevokeKey) -> Response:
    """The key opens nothing any more."""
    return answer(await supervisor_of(request).keys.revoke(key_id, body))
