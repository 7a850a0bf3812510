"""An answer in one write says what uvicorn says in two, and leaves the connection as it would."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from jupyter_deploy.gateway.whole import WholeAnswer

Header = tuple[bytes, bytes]
BODY = b'{"predictions":[1.0]}'
LENGTH = (b"content-length", b"%d" % len(BODY))


class Wire:
    """The transport: what was written to it, call by call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Flow:
    """Flow control; `write_paused` while the caller does not take what he is sent."""

    write_paused = False


class Exchange:
    """One request with its cycle."""

    def __init__(self, *, method: str = "POST", keep_alive: bool = True) -> None:
        self.wire, self.flow, self.ended = Wire(), Flow(), 0
        log = logging.getLogger("unused")
        options: dict[str, Any] = {"transport": self.wire, "flow": self.flow}
        self.cycle = RequestResponseCycle(
            scope={"type": "http", "method": method}, **options,
            logger=log, access_logger=log, access_log=False,
            default_headers=[(b"date", b"today")], message_event=asyncio.Event(),
            expect_100_continue=False, keep_alive=keep_alive, on_response=self._end,
        )  # fmt: skip

    def whole(self, status: int, headers: list[Header]) -> bool:
        return WholeAnswer(self.cycle).send(status, headers, BODY)

    async def in_steps(self, status: int, headers: list[Header]) -> None:
        await self.cycle.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.cycle.send({"type": "http.response.body", "body": BODY})

    def seen(self) -> tuple[list[bytes], bytes, bool, int, bool, bool, bool]:
        """Status line and headers, sorted; body; and in which state the connection is."""
        head, _, body = b"".join(self.wire.calls).partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        return ([status, *sorted(lines)], body, self.wire.closed, self.ended,
                self.cycle.response_complete, self.cycle.keep_alive,
                self.cycle.message_event.is_set())  # fmt: skip

    def _end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [(b"content-type", b"application/json")]),
        (413, [(b"connection", b"close")]),
        (401, [(b"www-authenticate", b"Bearer"), (b"www-authenticate", b"Basic")]),
        (503, [(b"retry-after", b"1"), (b"x-request-id", b"a.b-c")]),
    ],
)
def test_one_write_says_and_does_what_uvicorn_does_in_two(status, headers, keep_alive):
    at_once, in_steps = Exchange(keep_alive=keep_alive), Exchange(keep_alive=keep_alive)
    assert at_once.whole(status, [*headers, LENGTH])
    asyncio.run(in_steps.in_steps(status, [*headers, LENGTH]))
    assert at_once.seen() == in_steps.seen()
    assert len(at_once.wire.calls) == 1


def test_a_caller_who_does_not_take_what_he_is_sent_is_left_to_flow_control():
    exchange = Exchange()
    exchange.flow.write_paused = True
    assert not exchange.whole(200, [LENGTH])
    assert exchange.wire.calls == []
    assert not exchange.cycle.response_started


def test_an_answer_to_head_has_no_body_and_goes_in_steps():
    exchange = Exchange(method="HEAD")
    assert not exchange.whole(405, [LENGTH])
    asyncio.run(exchange.in_steps(405, [LENGTH]))
    assert exchange.seen()[1] == b""


@pytest.mark.parametrize("told", [True, False])
def test_nothing_is_written_to_a_caller_who_has_gone(told):
    exchange = Exchange()
    exchange.cycle.disconnected, exchange.wire.closed = told, not told
    assert exchange.whole(200, [LENGTH])
    assert exchange.wire.calls == []
    assert exchange.ended == 0
