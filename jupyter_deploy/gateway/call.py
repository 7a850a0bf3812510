"""One prediction, step by step: key, limits, body, contract, model, answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.errors import (
    MethodNotAllowed,
    NoReplica,
    RequestError,
    TooLarge,
    UnsupportedMedia,
)
from jupyter_deploy.gateway import problems, v2
from jupyter_deploy.gateway.body import Disconnected, Headers, Receipt, Receive, media_type
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch import Elsewhere, Reply, Result, Work, ask
from jupyter_deploy.gateway.heavy import (
    LARGE_ANSWER_ROWS,
    LARGE_BODY_BYTES,
    LARGE_CSV_BYTES,
    Heavy,
)
from jupyter_deploy.gateway.routes import Routes, Target
from jupyter_deploy.gateway.whole import Header

#: Status, headers with the length, and body.
Answer = tuple[int, list[Header], bytes]
Encode = Callable[[Reply], bytes]

_JSON: Header = (b"content-type", b"application/json")
_PROBLEM: Header = (b"content-type", problems.CONTENT_TYPE)


@dataclass(frozen=True)
class Means:
    """What all calls of a gateway share."""

    routes: Routes
    receipt: Receipt
    heavy: Heavy = field(default_factory=Heavy)


class Call:
    """The request of one caller: waited for (`answer`), or told of (`put`, then `encoded`)."""

    __slots__ = ("_consumer", "_encode", "_gone", "_headers", "_means", "_media", "_own", "_parsed",
                 "_path", "_reply", "_started", "_target", "_work", "request_id")  # fmt: skip

    def __init__(
        self, means: Means, path: str, target: Target, headers: Headers, request_id: str
    ) -> None:
        self._started = time.perf_counter()
        self._parsed = 0.0
        self._means = means
        self._gone = False
        self._work: Work | None = None
        self._encode: Encode | None = None
        self._reply: Reply | None = None
        self._path = path
        self._target = target
        self._headers = headers
        self._consumer = ""
        self._media = ""
        self._own: list[Header] = [
            (b"x-request-id", request_id.encode()),
            target.service.version_header,
        ]
        self.request_id = request_id

    async def answer(self, method: str, receive: Receive) -> Answer:
        """The answer, once the body has come and the model has answered.  Raises RequestError."""
        key, media = self._admitted(method)
        receipt = self._means.receipt
        limit = self._target.service.route.max_body_bytes
        body = await receipt.body(receive, self._headers, limit)
        self._follow_routes()
        try:
            self._reply = await self._asked(media, body, key.consumer)
            return await self._encoded(self._reply)
        finally:
            receipt.open_bytes.give(len(body))
            self._let_go()

    def put(self, body: bytes, then: Callable[[Result], None]) -> None:
        """Have a short `body` answered; `then` is called once, and gives the result to `encoded`.

        Raises RequestError.
        """
        _, self._media = self._admitted("POST")
        service = self._target.service
        if len(body) > service.route.max_body_bytes:
            raise TooLarge(service.route.max_body_bytes)
        self._means.receipt.open_bytes.take(len(body))
        self._queue(body, then)

    def put_again(self, body: bytes, then: Callable[[Result], None]) -> None:
        """What was put ended Elsewhere: have it answered where its path leads now.

        Raises RequestError.
        """
        try:
            self._go_elsewhere()
        except RequestError:
            self._means.receipt.open_bytes.give(len(body))
            raise
        self._queue(body, then)

    def _queue(self, body: bytes, then: Callable[[Result], None]) -> None:
        service = self._target.service
        try:
            work = self._work_of(self._media, body, self._consumer)
            service.metrics.begin()
            service.queue.put(work, then)
        except BaseException:
            self._means.receipt.open_bytes.give(len(body))
            raise

    def encoded(self, result: Result) -> Answer:
        """The answer to what was `put`.  Raises RequestError."""
        assert self._work is not None, "it was put"
        assert self._encode is not None, "what was put has been decoded"
        self._means.receipt.open_bytes.give(len(self._work.body))
        if not isinstance(result, Reply):
            raise result
        self._reply = result
        answer = self._good(self._encode(result))
        self._let_go()
        return answer

    def refusal(self, error: RequestError) -> Answer:
        """The answer when there is none."""
        body = problems.problem(error, self.request_id, tensors=self._target.tensors)
        return self._whole(error.status, [_PROBLEM, *problems.headers(error)], body)

    def leave(self) -> None:
        """The caller has gone: no replica gets what none has yet."""
        self._gone = True
        if self._work is not None:
            self._target.service.queue.drop(self._work, Disconnected())

    def _admitted(self, method: str) -> tuple[StoredKey, str]:
        """Whose request it is, and what its body is said to be."""
        routes = self._means.routes
        key = routes.keyring.caller(self._headers, time.time())
        self._consumer = key.consumer
        limits, over = routes.admission.admit(key, time.monotonic())
        self._own += limits
        if over is not None:
            raise over
        routes.keyring.check_scope(key, self._target.service.endpoint)
        if method != "POST":
            raise MethodNotAllowed(method, "POST")
        tensors = self._target.tensors
        return key, v2.media(self._headers) if tensors else media_type(self._headers)

    def _follow_routes(self) -> None:
        """Another version may serve, and this one be gone, since the head of the request came."""
        target = self._means.routes.predictions.get(self._path)
        if target is not None and target is not self._target:
            self._target = target
            self._own[1] = target.service.version_header

    def _go_elsewhere(self) -> None:
        """The version has no replica, and does not serve any more.  Raises NoReplica."""
        before = self._target.service
        self._follow_routes()
        if self._target.service is before:
            raise NoReplica

    async def _asked(self, media: str, body: bytes, consumer: str) -> Reply:
        while True:
            work = await self._decoded(media, body, consumer)
            service = self._target.service
            service.metrics.begin()
            try:
                return await ask(service.queue, work)
            except Elsewhere:
                self._go_elsewhere()

    async def _decoded(self, media: str, body: bytes, consumer: str) -> Work:
        if len(body) < (LARGE_CSV_BYTES if media == "csv" else LARGE_BODY_BYTES):
            return self._work_of(media, body, consumer)
        work = await self._means.heavy.run(lambda: self._work_of(media, body, consumer))
        if self._gone:
            raise Disconnected
        return work

    def _work_of(self, media: str, body: bytes, consumer: str) -> Work:
        begun = time.perf_counter()
        decoded, self._encode = self._decode(media, body)
        self._parsed = time.perf_counter() - begun
        work = self._work = Work(
            decoded, body, request_id=self.request_id, consumer=consumer,
            pinned=self._target.pinned,
        )  # fmt: skip
        return work

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

    async def _encoded(self, reply: Reply) -> Answer:
        encode = self._encode
        assert encode is not None, "what was answered has been decoded"
        if reply.stop - reply.start < LARGE_ANSWER_ROWS:
            return self._good(encode(reply))
        return self._good(await self._means.heavy.run(lambda: encode(reply)))

    def _let_go(self) -> None:
        """Keep nothing that may be large: a connection keeps its last call while it is open."""
        self._work = self._reply = self._encode = None

    def _good(self, body: bytes) -> Answer:
        return self._whole(200, [_JSON, self._server_timing()], body)

    def _whole(self, status: int, headers: list[Header], body: bytes) -> Answer:
        seconds = time.perf_counter() - self._started
        self._target.service.metrics.count(self._consumer, status, seconds)
        headers += ((b"content-length", b"%d" % len(body)), *self._own)
        return status, headers, body

    def _server_timing(self) -> Header:
        """How long the parts took, in milliseconds."""
        reply = self._reply
        assert reply is not None, "only an answer has times"
        total = time.perf_counter() - self._started
        value = b"parse;dur=%.3f, queue;dur=%.3f, model;dur=%.3f, total;dur=%.3f" % (
            self._parsed * 1e3, reply.queue_seconds * 1e3, reply.model_seconds * 1e3, total * 1e3,
        )  # fmt: skip
        return b"server-timing", value
