"""Errors as answers: problem documents (RFC 9457), with the headers that belong to them."""

from __future__ import annotations

import msgspec

from jupyter_deploy.errors import DeployError, RequestError

Header = tuple[bytes, bytes]
CONTENT_TYPE = b"application/problem+json"


def problem(error: DeployError, request_id: str, *, tensors: bool = False) -> bytes:
    """The body for `error`; with `tensors`, also in the form of the Open Inference Protocol."""
    document = error.problem(request_id)
    if tensors:
        document["error"] = _sentence(error)
    return msgspec.json.encode(document)


def headers(error: DeployError) -> list[Header]:
    """The headers that belong to `error`, without those that every answer has."""
    own = error.headers() if isinstance(error, RequestError) else []
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in own]


def _sentence(error: DeployError) -> str:
    errors = error.extras().get("errors", ())
    places = "; ".join(str(entry["message"]) for entry in errors[:3])
    return f"{error.detail} {places}".strip()
