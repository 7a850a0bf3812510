"""The ASGI application: predictions on a short path of its own, everything else as pages.

Every answer has an X-Request-Id; every answer of a prediction also X-Model-Version, and a good one
Server-Timing.  This file decides nothing: each step is a part's own.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.errors import GatewayFailed, MethodNotAllowed, RequestError, UnsupportedMedia
from jupyter_deploy.gateway import problems, v2
from jupyter_deploy.gateway.body import Disconnected, Headers, Receipt, Receive, media_type
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch import Reply, Work
from jupyter_deploy.gateway.heavy import LARGE_ANSWER_ROWS, LARGE_BODY_BYTES, Heavy
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.memory import OpenBytes
from jupyter_deploy.gateway.names import MORE_HEADERS, REQUEST_ID
from jupyter_deploy.gateway.protocol import LEAVER
from jupyter_deploy.gateway.routes import Routes, Target
from jupyter_deploy.gateway.whole import WHOLE, WholeAnswer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]
Encode = Callable[[Reply], bytes]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_JSON: Header = (b"content-type", b"application/json")
_PROBLEM: Header = (b"content-type", problems.CONTENT_TYPE)


class Gateway:
    """Serves what `routes` says."""

    def __init__(
        self, routes: Routes, pages: App, log: Log, open_bytes: OpenBytes | None = None
    ) -> None:
        self.routes = routes
        self._pages = pages
        self._log = log
        self.receipt = Receipt(open_bytes=open_bytes)
        self.heavy = Heavy()
        self._prefix = os.urandom(6).hex()
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: Headers = dict(scope["headers"])
        request_id = self._request_id(headers)
        target = self.routes.predictions.get(scope["path"])
        if target is None:
            await self._page(scope, receive, send, request_id)
        else:
            call = _Call(self, scope["path"], target, headers, request_id)
            scope[LEAVER] = call
            await self._predict(call, scope, receive, send)

    async def _predict(self, call: _Call, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await call.answer(scope["method"], receive)
            status, headers = 200, [_JSON, call.server_timing()]
        except RequestError as error:
            status, headers, body = call.refusal(error)
        except Exception:  # noqa: BLE001 - the boundary of the process: logged, and told as a 500
            self._log.exception("prediction failed", request_id=call.request_id)
            status, headers, body = call.refusal(GatewayFailed())
        call.count(status)
        headers += [(b"content-length", b"%d" % len(body)), *call.headers]
        whole: WholeAnswer | None = scope.get(WHOLE)
        if whole is not None and whole.send(status, headers, body):
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _page(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        own: list[Header] = [(b"x-request-id", request_id.encode())]
        scope[REQUEST_ID], scope[MORE_HEADERS] = request_id, own

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            await self._pages(scope, receive, send_with_headers)
        except Exception:  # noqa: BLE001 - Starlette has answered with a 500 and raises it again
            self._log.exception("page failed", request_id=request_id)

    def _request_id(self, headers: Headers) -> str:
        sent = headers.get(b"x-request-id")
        if sent is not None and _REQUEST_ID.fullmatch(sent):
            return sent.decode()
        return f"{self._prefix}{next(self._numbers):08x}"


class _Call:
    """One prediction, step by step."""

    __slots__ = ("_consumer", "_gateway", "_gone", "_headers", "_parsed", "_path", "_reply",
                 "_started", "_target", "_work", "headers", "request_id")  # fmt: skip

    def __init__(
        self, gateway: Gateway, path: str, target: Target, headers: Headers, request_id: str
    ) -> None:
        self._started = self._parsed = time.perf_counter()
        self._gateway = gateway
        self._gone = False
        self._work: Work | None = None
        self._path = path
        self._target = target
        self._headers = headers
        self._consumer = ""
        self._reply: Reply | None = None
        self.request_id = request_id
        self.headers: list[Header] = [
            (b"x-request-id", request_id.encode()),
            target.service.version_header,
        ]

    async def answer(self, method: str, receive: Receive) -> bytes:
        """The body of the answer.  Raises RequestError."""
        service = self._target.service
        key = self._admitted()
        if method != "POST":
            raise MethodNotAllowed(method, "POST")
        media = v2.media(self._headers) if self._target.tensors else media_type(self._headers)
        limit = service.route.max_body_bytes
        receipt = self._gateway.receipt
        body = await receipt.body(receive, self._headers, limit)
        self._follow_routes()
        try:
            return await self._answer(media, body, key.consumer)
        finally:
            receipt.open_bytes.give(len(body))

    async def _answer(self, media: str, body: bytes, consumer: str) -> bytes:
        begun = time.perf_counter()
        decoded, encode = await self._decoded(media, body)
        self._parsed = time.perf_counter() - begun
        work = Work(decoded, body, request_id=self.request_id, consumer=consumer)
        self._work = work
        self._target.service.metrics.begin()
        reply = self._reply = await self._target.service.queue.run(work)
        if reply.stop - reply.start < LARGE_ANSWER_ROWS:
            return encode(reply)
        return await self._gateway.heavy.run(lambda: encode(reply))

    def _follow_routes(self) -> None:
        """Another version may serve, and this one be gone, since the head of the request came."""
        target = self._gateway.routes.predictions.get(self._path)
        if target is not None and target is not self._target:
            self._target = target
            self.headers[1] = target.service.version_header

    def leave(self) -> None:
        """The caller has gone: no replica gets what none has yet."""
        self._gone = True
        if self._work is not None:
            self._target.service.queue.drop(self._work, Disconnected())

    def refusal(self, error: RequestError) -> tuple[int, list[Header], bytes]:
        """Status, headers and body for `error`."""
        body = problems.problem(error, self.request_id, tensors=self._target.tensors)
        return error.status, [_PROBLEM, *problems.headers(error)], body

    def count(self, status: int) -> None:
        """Count this call as answered with `status`."""
        seconds = time.perf_counter() - self._started
        self._target.service.metrics.count(self._consumer, status, seconds)

    def server_timing(self) -> Header:
        """How long the parts took, in milliseconds."""
        assert self._reply is not None, "only an answer has times"
        total = time.perf_counter() - self._started
        reply = self._reply
        value = b"parse;dur=%.3f, queue;dur=%.3f, model;dur=%.3f, total;dur=%.3f" % (
            self._parsed * 1e3, reply.queue_seconds * 1e3, reply.model_seconds * 1e3, total * 1e3,
        )  # fmt: skip
        return b"server-timing", value

    def _admitted(self) -> StoredKey:
        routes = self._gateway.routes
        key = routes.keyring.caller(self._headers, time.time())
        self._consumer = key.consumer
        limits, over = routes.admission.admit(key, time.monotonic())
        self.headers += limits
        if over is not None:
            raise over
        routes.keyring.check_scope(key, self._target.service.endpoint)
        return key

    async def _decoded(self, media: str, body: bytes) -> tuple[Input, Encode]:
        if len(body) < LARGE_BODY_BYTES:
            return self._decode(media, body)
        decoded = await self._gateway.heavy.run(lambda: self._decode(media, body))
        if self._gone:
            raise Disconnected
        return decoded

    def _decode(self, media: str, body: bytes) -> tuple[Input, Encode]:
        service = self._target.service
        if self._target.tensors:
            return v2.read(service, body, self._headers)
        match media:
            case "json":
                return service.decoder.json(body), service.answers.body
            case "csv":
                return service.decoder.csv(body), service.answers.body
        raise UnsupportedMedia("application/octet-stream")
