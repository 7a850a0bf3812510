"""Trying an endpoint out for somebody who holds no key: what it takes, and what it answers.

Rule: it is asked as any caller asks it, through the gateway and with the notebook's key, so that
limits, checks and figures are the real ones; the key leaves this process for the gateway only.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
import msgspec

from jupyter_deploy.client.keyfile import secret_in
from jupyter_deploy.client.models import TryAnswer, TryForm
from jupyter_deploy.errors import Conflict, StateUnavailable, Unavailable
from jupyter_deploy.supervisor.parts import Parts

#: Longer than a version's own deadline usually is: the gateway's answer comes first.
_SECONDS = 120.0
_TIMING = re.compile(r"([a-z_]+);dur=([0-9.]+)")


def form(parts: Parts, name: str) -> TryForm:
    """What the active version takes.  Raises NotFound, or Conflict: nothing serves."""
    active = parts.state.endpoint(name).traffic.active
    if active is None:
        raise Conflict(f"{name!r} serves nothing now.", "Promote a version, then try it.")
    manifest = parts.state.version(name, active).manifest
    return TryForm(name, active, manifest.contract, manifest.example)


async def ask(parts: Parts, name: str, body: bytes) -> TryAnswer:
    """The endpoint's answer to `body`, whatever it is."""
    parts.state.endpoint(name)
    key = parts.state.notebook_key(name)
    if key is None:
        raise Conflict(
            f"{name!r} has no key of the notebook's.", "Deploy it again, which makes one."
        )
    secret = await asyncio.to_thread(_read, Path(key.file))
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    began = time.monotonic()
    try:
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
            url = f"{parts.gateways.url}/endpoints/{name}/invocations"
            answer = await http.post(url, content=body, headers=headers)
            said = msgspec.convert(answer.json(), dict[str, object])
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"The gateway does not answer ({type(error).__name__}).") from error
    return TryAnswer(
        status=answer.status_code,
        body=said,
        version=answer.headers.get("x-model-version", ""),
        request_id=answer.headers.get("x-request-id", ""),
        seconds=time.monotonic() - began,
        timing=timing(answer.headers.get("server-timing", "")),
    )


def timing(header: str) -> dict[str, float]:
    """The parts of a Server-Timing header, in milliseconds."""
    return {name: float(value) for name, value in _TIMING.findall(header)}


def _read(file: Path) -> str:
    try:
        return secret_in(file)
    except OSError as error:
        raise StateUnavailable(
            f"The notebook's key cannot be read: {error.strerror}.", "Rotate it: %apikey rotate."
        ) from error
