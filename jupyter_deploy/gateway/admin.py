"""The admin socket: HTTP for the supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from jupyter_deploy import __version__
from jupyter_deploy.gateway.drain import Drain
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.metrics import exposition
from jupyter_deploy.gateway.routes import Routes, read_snapshot


class Admin:
    """The admin application; `reload` applies the snapshot file if it can be read.

    `beat` is done with each heartbeat, when it has been answered.
    """

    def __init__(
        self, routes: Routes, snapshot: Path, accepting: asyncio.Event, drain: Drain, log: Log,
        beat: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._routes = routes
        self._snapshot = snapshot
        self._accepting = accepting
        self._drain = drain
        self._log = log
        self._beat = beat
        self._started_at = time.time()
        self._orders = Starlette(
            routes=[
                Route("/reload", self._reload, methods=["POST"]),
                Route("/accept", self._accept, methods=["POST"]),
                Route("/drain", self._begin_to_drain, methods=["POST"]),
                Route("/stats", self._stats),
                Route("/history", self._history),
                Route("/load", self._load),
                Route("/metrics", self._metrics),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI 3 has it.  A HEAD is a heartbeat: it asks for nothing but an answer."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._orders(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
        await self._beat()

    def reload(self) -> int:
        """The sequence that is served from now on: the file's, or the present one without it."""
        try:
            self._routes.apply(read_snapshot(self._snapshot))
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            self._log.warning("snapshot not read", error=f"{type(error).__name__}: {error}")
        return self._routes.snapshot.sequence

    async def _reload(self, _request: Request) -> Response:
        return _json({"sequence": self.reload()})

    async def _accept(self, _request: Request) -> Response:
        self._accepting.set()
        return _json({"accepting": True})

    async def _begin_to_drain(self, _request: Request) -> Response:
        return _json({"open": self._drain.begin()})

    async def _stats(self, _request: Request) -> Response:
        return _json(
            {
                "pid": os.getpid(),
                "version": __version__,
                "sequence": self._routes.snapshot.sequence,
                "ready": all(
                    one.ready or not one.route.replicas for one in self._routes.services()
                ),
                "started_at": self._started_at,
                "endpoints": _endpoints(self._routes),
            }
        )

    async def _history(self, request: Request) -> Response:
        recorder = self._routes.recorder
        if "seal" in request.query_params:
            recorder.seal()
        history = recorder.after(request.query_params.get("after", ""))
        return _json(replace(history, turned_away=self._drain.turned_away))

    async def _load(self, _request: Request) -> Response:
        asked: dict[str, float] = {}
        versions = []
        for one in self._routes.services():
            queue = one.queue
            versions.append((one.endpoint, one.route.version, queue.waiting, queue.busy_seconds))
            asked |= queue.asked_at
        now = time.monotonic()
        return _json({"pid": os.getpid(), "at": now, "versions": versions, "asked": asked})

    async def _metrics(self, _request: Request) -> Response:
        return Response(exposition(self._routes.counts()), media_type="text/plain; version=1.0.0")


def _endpoints(routes: Routes) -> dict[str, dict[str, Any]]:
    """What each endpoint did since this process started, all its versions together."""
    counts = routes.counts()
    results = {}
    for name in routes.endpoints:
        own = [one for one in counts if one.endpoint == name]
        results[name] = {
            "requests": sum(n for one in own for n in one.requests.values()),
            "rows": sum(one.rows for one in own),
            "waiting": sum(one.waiting for one in own),
        }
    return results


def private_socket(path: Path) -> socket.socket:
    """A new listening Unix socket at `path` (0600), in place of what an earlier process left."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen()
    return listener


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")
