"""Connections: what the head of a request may be, how long it may take, and how many may be open.

Rule 1: a head is complete so many seconds after its first byte, the first one so many seconds after
the accept; else the connection gets a 408 and is closed.  An idle connection that has been used is
ended after a while.  Rule 2: a connection beyond the bound gets a 503 and is closed, and so does
one that takes one of the last files that may be open, which are for replicas, logs and orders;
those that are open are not touched.  Rule 3: whoever computes for a connection is told when it is
lost.  Rule 4: a head that cannot be taken (head.py) is told so, and ends its connection.  Rule 5:
while the process drains (drain.py), every answer is the last on its connection, and says so.
Rule 6: a caller who is still sending gets to see the last answer (lingering.py).
Rule 7: what is neither head nor body (trailers, extensions of chunks) is read over, within the same
bounds, and is no part of the head.  Rule 8: who offers another protocol gets this one (RFC 9110
section 7.8).  Rule 9: behind a request that waits for the one before it, nothing is read.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Callable
from typing import Any, Protocol, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from jupyter_deploy.errors import HeadTooLarge, Overloaded, RequestError, RequestTimeout
from jupyter_deploy.gateway import head
from jupyter_deploy.gateway.deadlines import Deadlines
from jupyter_deploy.gateway.exchange import MOST_BYTES, Exchange, Leaver
from jupyter_deploy.gateway.flow import OneByOne
from jupyter_deploy.gateway.lingering import SILENT_SECONDS, LastWord, Rest, last_answer
from jupyter_deploy.gateway.whole import WHOLE, WholeAnswer

#: How many files are kept for what is not a caller's.
RESERVED_FILES = 32
#: A caller who offers another protocol asks for one thing at a time.
_MOST_OFFERS = 8
#: How long a refused connection has to read why, before it is cut.
_LINGER_SECONDS = 0.5


#: By name, as `super()` would cost as much again for each field.
_on_header = HttpToolsProtocol.on_header


class Shortcut(Protocol):
    """Answers short requests without a task of their own."""

    def takes(self, path: str) -> bool:
        """Whether requests to `path` are answered so."""

    def answer(self, exchange: Exchange) -> None:
        """Answer one, now or later; raises nothing."""


#: The key in a request's scope under which its `Leaver` is found.
LEAVER = "jupyter_deploy.leaver"


class Guard:
    """What all connections of a server share; `most` is the number that may be open."""

    def __init__(
        self, head_seconds: float, idle_seconds: float, most: int, shortcut: Shortcut | None = None
    ) -> None:
        self.most = most
        #: So many files are not left to callers.
        self.reserved = RESERVED_FILES
        #: Told how many are open, whenever that changes.
        self.opened: Callable[[int], None] | None = None
        self.draining = False
        self.shortcut = shortcut
        self.idle = Deadlines(idle_seconds, GuardedProtocol.timeout_keep_alive_handler)
        #: How many connections have been refused.
        self.turned_away = 0
        self.heads = Deadlines(head_seconds, GuardedProtocol.cut_late_head)
        self.refused = Deadlines(_LINGER_SECONDS, GuardedProtocol.cut)
        self.lingering = Deadlines(SILENT_SECONDS, GuardedProtocol.cut)


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, guard: Guard, **options: Any) -> None:
        super().__init__(*args, **options)
        self._guard = guard
        self._in_head = False
        self._refused = False
        self._received = 0
        self._head_bytes = 0
        #: How many requests have begun in this read, less one if another had not ended, and
        #: whether it held a part of a body.
        self._begun = 0
        self._has_body = False
        self._fault: RequestError | None = None
        #: What is in hand of this read, and what of it is to be read once more.
        self._data = self._again = b""
        #: What is thrown away behind the last answer.
        self._rest: Rest | None = None
        #: A short request whose body is being read, and one that has come whole in this read:
        #: uvicorn knows nothing of either.
        self._reading: Exchange | None = None
        self._ready: Exchange | None = None
        #: The request that is being answered: `cycle` is the last one that has come.
        self._served: Exchange | RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected."""
        guard = self._guard
        last = guard.reserved > 0 and _is_one_of_the_last(transport, guard.reserved)
        if last or len(self.connections) >= guard.most:
            self._refuse(transport, lingering=(guard.reserved if last else guard.most) // 2)
            return
        super().connection_made(transport)
        self.flow = OneByOne(transport, self.pipeline)
        self._guard.heads.begin(self)
        if self._guard.opened is not None:
            self._guard.opened(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller."""
        if self._refused:
            return
        if self._rest is not None:
            self._throw_away(self._rest, data)
            return
        self._received = len(data)
        self._begun, self._has_body = -(not self.idle), False
        self._guard.idle.over(self)
        self._data = data
        super().data_received(data)
        if self._again:
            self._read_again()
        self._data = b""
        if self._reading is not None:
            self._hand_over(self._reading)
        cycle = self.cycle
        # Bytes that belong to no request count as the first of the next one: uvicorn has stopped
        # its own timer for them.
        if self._in_head or cycle is None or cycle.response_complete:
            self._guard.heads.begin(self)
            self._bound_head()
        else:
            self._guard.heads.over(self)
            if self._ready is None:
                self._bound_rest()
        if self._ready is not None:
            self._answer(self._ready)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._begun += 1
        self._head_bytes = 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers: those could stand for others of the head."""
        if self._in_head:
            _on_header(self, name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        fields = dict(self.headers)
        version = self.parser.get_http_version
        self._fault = head.fault(self.url, self.headers, fields, self._received, version)
        if self._fault is not None:
            raise self._fault  # the parser stops, and uvicorn has `send_400_response` called
        self._in_head = False
        if self._offers():
            return  # the parser reads no body behind this head
        self._reading = self._short_request(fields)
        if self._reading is None:
            self._to_uvicorn()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._has_body = True
        if self._reading is None:
            super().on_body(body)
        else:
            self._reading.body += body

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self._reading is not None:
            self._served = self._ready = self._reading
            self._reading = None
            self.cycle = self._ready  # type: ignore[assignment]
            return
        if self._offers():
            return
        super().on_message_complete()
        # uvicorn stops reading behind a large body, and would not see that the caller goes.
        self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """An answer has been sent: the next request may come, or is there already."""
        if self._rest is not None:
            return
        if self.pipeline or self.transport.is_closing():
            if self.pipeline:
                self._served = self.pipeline[-1][0]
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._guard.idle.begin(self)  # in place of uvicorn's timer for each answer

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone, or we have closed."""
        if self._refused:
            self._guard.refused.over(self)
            return
        self._guard.heads.over(self)
        self._guard.idle.over(self)
        self._guard.lingering.over(self)
        super().connection_lost(exc)
        if self._guard.opened is not None:
            self._guard.opened(len(self.connections))
        served = self._served
        if served is not None and not served.response_complete:
            served.disconnected = True
            leaver = _leaver_of(served)
            if leaver is not None:
                leaver.leave()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """The request cannot be taken."""
        if self._fault is not None:
            self._end_with(self._fault)
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(last_answer(RequestError("This is no request of HTTP/1.1.")))
        self.transport.close()

    @property
    def idle(self) -> bool:
        """Whether no request has begun that is not answered yet."""
        return not self._in_head and (self.cycle is None or self.cycle.response_complete)

    def retire(self) -> None:
        """The answer to the request that is under way is the last, and says so."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def cut_late_head(self) -> None:
        """The deadline for a head has passed."""
        if not self.transport.is_closing():
            self._end_with(RequestTimeout(self._guard.heads.seconds, "head of the request"))

    def cut(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    def _short_request(self, fields: dict[bytes, bytes]) -> Exchange | None:
        """The request whose head has just come, if it may be answered without a task."""
        shortcut, parser = self._guard.shortcut, self.parser
        idle = self.cycle is None or self.cycle.response_complete
        if shortcut is None or not idle or self.flow.write_paused:
            return None
        path = self.url.decode("latin-1")
        if int(fields.get(b"content-length", MOST_BYTES + 1)) > MOST_BYTES:
            return None
        if parser.get_method() != b"POST" or not shortcut.takes(path):
            return None
        return Exchange(
            self.transport, path, fields,
            keep_alive=self._keeps_alive(),
            default_headers=self.server_state.default_headers,
            on_response=self.on_response_complete,
        )  # fmt: skip

    def _offers(self) -> bool:
        return bool(self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT")

    def _unsupported_upgrade_warning(self) -> None:
        # The parser has stopped behind a head that offers another protocol.
        stopped = sys.exception()
        assert isinstance(stopped, httptools.HttpParserUpgrade), "uvicorn has caught it"
        own = head.without_offer(
            self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
        )
        self._again = own + self._data[stopped.args[0] :]

    def _read_again(self) -> None:
        for _ in range(_MOST_OFFERS):
            self._data, self._again = self._again, b""
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            super().data_received(self._data)
            if not self._again:
                return
        self.transport.close()

    def _keeps_alive(self) -> bool:
        stays = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        return bool(stays) and not self._guard.draining

    def _to_uvicorn(self) -> None:
        url, fields, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()  # makes the scope, and empties these
        self.url, self.expect_100_continue = url, expect
        self.headers += fields
        super().on_headers_complete()
        if self._guard.draining:
            self.retire()
        cycle = self.cycle
        if not self.pipeline:
            self._served = cycle
        cycle.transport = LastWord(self.transport, self._close)  # type: ignore[assignment]
        self.scope[WHOLE] = WholeAnswer(self.cycle)  # type: ignore[literal-required]

    def _close(self) -> None:
        """Close behind an answer, at once where its request had come whole."""
        if not self.cycle.more_body or self.transport.is_closing():
            self.transport.close()
            return
        self._rest = Rest(asyncio.get_running_loop().time())
        self._guard.heads.over(self)
        self._guard.lingering.begin(self)
        self.transport.write_eof()
        self.flow.resume_reading()

    def _throw_away(self, rest: Rest, data: bytes) -> None:
        if not rest.goes_on(len(data), asyncio.get_running_loop().time()):
            self.cut()
            return
        self._guard.lingering.over(self)
        self._guard.lingering.begin(self)

    def _hand_over(self, short: Exchange) -> None:
        # The rest of its body has yet to come: that is waited for by a task.
        self._reading = None
        if not self.transport.is_closing():
            self._to_uvicorn()
            if short.body:
                super().on_body(short.body)

    def _answer(self, short: Exchange) -> None:
        self._ready = None
        shortcut = self._guard.shortcut
        if shortcut is not None and not self.transport.is_closing():
            shortcut.answer(short)

    def _bound_head(self) -> None:
        if self._in_head and not self.transport.is_closing():
            # Of a read that held other requests too nobody knows what is this one's.
            self._head_bytes += self._received if self._begun in (-1, 1) else 0
            if self._head_bytes > head.MAX_BYTES:
                self._end_with(HeadTooLarge(head.MAX_BYTES, head.MOST_FIELDS))

    def _bound_rest(self) -> None:
        cycle = cast("Exchange | RequestResponseCycle", self.cycle)
        if isinstance(cycle, Exchange) or not cycle.more_body or self._has_body:
            self._head_bytes = 0
            return
        self._head_bytes += self._received
        if self._head_bytes > head.MAX_BYTES:
            self.cut()

    def _end_with(self, error: RequestError) -> None:
        # Where no head was begun, or another answer is being written, an error would be misread.
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(last_answer(error))
        self.transport.close()

    def _refuse(self, transport: asyncio.Transport, *, lingering: int) -> None:
        self.transport = transport
        self._refused = True
        self._guard.turned_away += 1
        transport.write(last_answer(Overloaded()))
        if len(self._guard.refused) >= lingering:
            transport.close()
            return
        # Closed while the request is on its way, it would never see the answer.
        transport.write_eof()
        self._guard.refused.begin(self)


def most_connections() -> int:
    """Half of the files that this process may open; the rest is for replicas, logs and the like."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft // 2


def _leaver_of(request: Exchange | RequestResponseCycle) -> Leaver | None:
    if isinstance(request, Exchange):
        return request.leaver
    return cast("Leaver | None", request.scope.get(LEAVER))


def _is_one_of_the_last(transport: asyncio.Transport, count: int) -> bool:
    # The kernel gives the lowest number that is free; the limit may be lowered at any time.
    connection = transport.get_extra_info("socket")
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connection is not None and bool(connection.fileno() >= soft - count)
