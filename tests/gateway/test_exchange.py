"""Short requests: answered without a task, and else exactly as all others are."""

from __future__ import annotations

import asyncio
import sys

import httptools
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from jupyter_deploy.gateway.exchange import MOST_BYTES
from jupyter_deploy.gateway.protocol import Guard, GuardedProtocol

TAKEN = "/taken"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.sent = b""
        self.closed = False
        self.gone = asyncio.Event()

    def write(self, data):
        assert not self.closed
        self.sent += data

    def close(self):
        self.closed = True
        self.gone.set()

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def get_extra_info(self, name, default=None):
        return default


class Echo:
    """Answers with path and body, both ways alike; `short` counts those without a task."""

    def __init__(self, *, at_once: bool):
        self.at_once = at_once
        self.short = 0

    def takes(self, path):
        return path == TAKEN

    def answer(self, exchange):
        self.short += 1
        body = exchange.path.encode() + b" " + exchange.body
        headers = [(b"content-length", b"%d" % len(body))]
        if self.at_once:
            exchange.send(200, headers, body)
        else:
            asyncio.get_running_loop().call_soon(exchange.send, 200, headers, body)

    async def __call__(self, scope, receive, send):
        body, more = scope["path"].encode() + b" ", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Connection:
    """One connection of a server that echoes; the caller's side is `feed` and `answers`."""

    def __init__(self, echo: Echo, head_seconds: float = 60, idle_seconds: float = 60):
        config = uvicorn.Config(echo, lifespan="off", ws="none", log_config=None)
        config.load()
        guard = Guard(head_seconds, idle_seconds, 10, echo)
        self.protocol = GuardedProtocol(
            config=config, server_state=ServerState(), app_state={}, guard=guard
        )
        self.transport = Transport()
        self.protocol.connection_made(self.transport)

    async def feed(self, piece: bytes) -> None:
        self.protocol.data_received(piece)
        for _ in range(4):  # turns of the loop: a task for a body that is there needs fewer
            await asyncio.sleep(0)

    def answers(self) -> list[bytes]:
        bodies: list[bytes] = []

        class Reader:
            def on_message_begin(self):
                bodies.append(b"")

            def on_body(self, body):
                bodies[-1] += body

        httptools.HttpResponseParser(Reader()).feed_data(self.transport.sent)
        return bodies


def post(path: str, body: bytes, *fields: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(head).encode() + body


REQUESTS = st.lists(
    st.tuples(st.sampled_from([TAKEN, "/page", TAKEN + "?a=1"]), st.binary(max_size=40))
    | st.tuples(st.just(TAKEN), st.sampled_from([b"", b"a" * MOST_BYTES, b"b" * (MOST_BYTES + 1)])),
    min_size=1,
    max_size=5,
)


@given(requests=REQUESTS, cuts=st.lists(st.floats(0, 1), max_size=6), at_once=st.booleans())
def test_however_a_stream_of_requests_is_cut_each_gets_its_answer_and_in_order(
    requests, cuts, at_once
):
    stream = b"".join(post(path, body) for path, body in requests)
    ends = [*sorted(int(cut * len(stream)) for cut in cuts), len(stream)]

    async def answers() -> list[bytes]:
        connection = Connection(Echo(at_once=at_once))
        for start, end in zip([0, *ends], ends, strict=False):
            if end > start:
                await connection.feed(stream[start:end])
        for _ in range(10 * len(requests)):
            await asyncio.sleep(0)
        return connection.answers()

    expected = [path.partition("?")[0].encode() + b" " + body for path, body in requests]
    assert asyncio.run(answers()) == expected


def short_ones(*pieces: bytes) -> tuple[int, list[bytes], bool]:
    """How many were answered without a task, the answers, and whether the connection was closed."""

    async def run():
        echo = Echo(at_once=False)
        connection = Connection(echo)
        for piece in pieces:
            await connection.feed(piece)
        return echo.short, connection.answers(), connection.transport.closed

    return asyncio.run(run())


def test_a_request_that_comes_in_one_piece_needs_no_task():
    assert short_ones(post(TAKEN, b"1"), post(TAKEN, b"2")) == (
        2,
        [b"/taken 1", b"/taken 2"],
        False,
    )


def test_a_long_body_and_another_path_and_method_are_left_to_a_task():
    long = b"a" * (MOST_BYTES + 1)
    get = b"GET /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
    found = short_ones(post(TAKEN, long), post("/page", b"1"), get)
    assert found == (0, [b"/taken " + long, b"/page 1", b"/taken 1"], False)


def test_a_body_that_comes_later_is_waited_for_by_a_task():
    whole = post(TAKEN, b"12")
    assert short_ones(whole[:-1], whole[-1:]) == (0, [b"/taken 12"], False)


def test_a_caller_who_ends_the_connection_gets_his_answer_before():
    assert short_ones(post(TAKEN, b"1", "Connection: close")) == (1, [b"/taken 1"], True)


def test_a_caller_who_wants_to_be_told_to_continue_is():
    head, body = post(TAKEN, b"1", "Expect: 100-continue")[:-1], b"1"

    async def run():
        connection = Connection(Echo(at_once=False))
        await connection.feed(head)
        told = connection.transport.sent
        await connection.feed(body)
        return told, connection.transport.sent

    told, sent = asyncio.run(run())
    assert told.startswith(b"HTTP/1.1 100 Continue")
    assert sent.endswith(b"/taken 1")


@pytest.mark.parametrize("behind", [b"", post(TAKEN, b"2"), post("/page", b"2") + post(TAKEN, b"")])
def test_nothing_is_sent_to_a_caller_who_has_gone(behind):
    class Watched(Echo):
        left = 0

        def answer(self, exchange):
            exchange.leaver = self
            super().answer(exchange)

        def leave(self):
            self.left += 1

    async def run():
        echo = Watched(at_once=False)
        connection = Connection(echo)
        connection.protocol.data_received(post(TAKEN, b"1") + behind)
        connection.transport.close()
        connection.protocol.connection_lost(None)
        faults = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        await asyncio.sleep(0)
        return echo.left, connection.transport.sent, faults

    assert asyncio.run(run()) == (1, b"", [])


def test_an_answer_is_written_to_no_connection_that_closes():
    """Whoever answers has others to answer in the same turn: writing raises nothing."""

    async def run():
        connection = Connection(Echo(at_once=False))
        connection.protocol.data_received(post(TAKEN, b"1"))
        connection.transport.close()
        connection.protocol.cycle.send(200, [], b"1")
        return connection.transport.sent

    assert asyncio.run(run()) == b""


def test_a_connection_keeps_nothing_of_what_it_has_read():
    async def run():
        connection = Connection(Echo(at_once=True))
        piece = post(TAKEN, b"1" * 1000)
        before = sys.getrefcount(piece)
        connection.protocol.data_received(piece)
        assert connection.answers() == [b"/taken " + b"1" * 1000]
        return sys.getrefcount(piece) - before

    assert asyncio.run(run()) == 0


def test_an_idle_connection_is_ended_after_its_time():
    async def run():
        connection = Connection(Echo(at_once=True), idle_seconds=0.02)
        await connection.feed(post(TAKEN, b"1"))
        assert not connection.transport.closed
        await asyncio.wait_for(connection.transport.gone.wait(), 10)
        return connection.answers()

    assert asyncio.run(run()) == [b"/taken 1"]
