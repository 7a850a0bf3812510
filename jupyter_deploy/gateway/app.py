"""The ASGI application: predictions on a short path of its own, everything else as pages.

Every answer has an X-Request-Id; every answer of a prediction also X-Model-Version, and a good one
Server-Timing.  This file decides nothing: each step is a part's own.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jupyter_deploy.errors import GatewayFailed, RequestError
from jupyter_deploy.gateway.body import Headers, Receipt, Receive
from jupyter_deploy.gateway.call import Answer, Call, Means
from jupyter_deploy.gateway.dispatch import Elsewhere, Result
from jupyter_deploy.gateway.exchange import Exchange
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.memory import OpenBytes
from jupyter_deploy.gateway.names import MORE_HEADERS, REQUEST_ID
from jupyter_deploy.gateway.protocol import LEAVER
from jupyter_deploy.gateway.routes import Routes
from jupyter_deploy.gateway.whole import WHOLE, Header, WholeAnswer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Gateway:
    """Serves what `routes` says."""

    def __init__(
        self, routes: Routes, pages: App, log: Log, open_bytes: OpenBytes | None = None
    ) -> None:
        self.routes = routes
        self._means = Means(routes, Receipt(open_bytes=open_bytes))
        self._pages = pages
        self._log = log
        self._prefix = os.urandom(6).hex()
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: Headers = dict(scope["headers"])
        path: str = scope["path"]
        if path in self.routes.predictions:
            await self._predict(self._call(path, headers), scope, receive, send)
        else:
            await self._page(scope, receive, send, self._request_id(headers))

    def takes(self, path: str) -> bool:
        """Whether `answer` answers requests to `path`."""
        return path in self.routes.predictions

    def answer(self, exchange: Exchange) -> None:
        """Answer a short request, as soon as the model has; the same as `__call__` would."""
        call = exchange.leaver = self._call(exchange.path, exchange.headers)
        try:
            call.put(exchange.body, lambda result: self._answered(call, exchange, result))
        except Exception as error:  # noqa: BLE001 - see `_refusal`
            exchange.send(*self._refusal(call, error))

    def _answered(self, call: Call, exchange: Exchange, result: Result) -> None:
        try:
            if isinstance(result, Elsewhere):
                call.put_again(exchange.body, lambda result: self._answered(call, exchange, result))
                return
            answer = call.encoded(result)
        except Exception as error:  # noqa: BLE001 - see `_refusal`
            answer = self._refusal(call, error)
        exchange.send(*answer)

    async def _predict(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        scope[LEAVER] = call
        try:
            status, headers, body = await call.answer(scope["method"], receive)
        except Exception as error:  # noqa: BLE001 - see `_refusal`
            status, headers, body = self._refusal(call, error)
        whole: WholeAnswer | None = scope.get(WHOLE)
        if whole is not None and whole.send(status, headers, body):
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _call(self, path: str, headers: Headers) -> Call:
        target = self.routes.predictions[path]
        return Call(self._means, path, target, headers, self._request_id(headers))

    def _refusal(self, call: Call, error: Exception) -> Answer:
        """What the caller is told: nothing gets past here, so an unknown error is a 500."""
        if isinstance(error, RequestError):
            return call.refusal(error)
        self._log.exception("prediction failed", request_id=call.request_id)
        return call.refusal(GatewayFailed())

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
