"""Connections that are slow, many, or gone: a real gateway, real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.gateways import Stack
from tests.process.served import VECTOR, total
from tests.support import wait_until

HEAD_SECONDS = 0.5
MOST = 16


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(head_seconds=HEAD_SECONDS, most_connections=MOST) as stack:
        stack.deploy("total", VECTOR, total)
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("total")


def connected(stack: Stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.port), 5)


PING = b"GET /endpoints/total/ping HTTP/1.1\r\nHost: x\r\n\r\n"


def ping(connection: socket.socket) -> bytes:
    """The whole answer to a GET on `connection`."""
    connection.sendall(PING)
    received = b""
    while not received.endswith((b"\r\n\r\n\n", b"}")) and (data := connection.recv(65536)):
        received += data
    return received


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def trickle(connection: socket.socket, first: bytes) -> tuple[bytes, float]:
    """Send `first`, then a byte of a header at a time: what came back, after how many seconds."""
    began = time.monotonic()
    connection.sendall(first)
    pieces = iter(b"X-Slow: " + b"a" * 1000)
    connection.settimeout(0.05)
    received = b""
    while time.monotonic() - began < 20 * HEAD_SECONDS:
        try:
            connection.sendall(bytes([next(pieces)]))
            data = connection.recv(65536)
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
        if not data:
            break
        received += data
    return received, time.monotonic() - began


def test_a_head_that_trickles_in_is_cut_at_the_deadline_while_others_are_answered(stack, key):
    found = []
    with connected(stack) as connection:
        slow = threading.Thread(
            target=lambda: found.append(trickle(connection, b"GET / HTTP/1.1\r\nHost: x\r\n"))
        )
        slow.start()
        statuses = set()
        with httpx.Client(base_url=stack.url, headers={"X-API-Key": key}) as client:
            while slow.is_alive():
                answer = client.post("/endpoints/total/invocations", json={"inputs": [[1, 2]]})
                statuses.add((answer.status_code, answer.text))
        slow.join(10)
    ((received, seconds),) = found
    assert statuses == {(200, '{"predictions":[3.0]}')}
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in received
    assert HEAD_SECONDS * 0.9 < seconds < HEAD_SECONDS * 6


def test_a_slow_head_after_an_answer_is_cut_as_well(stack):
    with connected(stack) as connection:
        assert ping(connection).startswith(b"HTTP/1.1 200 ")
        received, seconds = trickle(connection, b"GET / HTTP/1.1\r\n")
    assert received.startswith(b"HTTP/1.1 408 ")
    assert seconds < HEAD_SECONDS * 6


def test_a_connection_that_sends_nothing_or_only_line_ends_is_closed(stack):
    with connected(stack) as silent, connected(stack) as blank:
        blank.sendall(b"\r\n\r\n")
        assert all_of(silent) == b""
        assert all_of(blank) == b""


def test_an_idle_connection_that_has_been_used_stays_open(stack):
    with connected(stack) as used, connected(stack) as silent:
        ping(used)
        # The silent one was accepted later than the first answer was given: it is the clock.
        assert all_of(silent) == b""
        assert ping(used).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "fields",
    [b"X-Long: " + b"a" * 70_000 + b"\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(200))],
    ids=["one long field", "many fields"],
)
def test_a_head_that_is_too_large_gets_431_and_the_connection_ends(stack, fields):
    with connected(stack) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
        received = all_of(connection)
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b"#head-too-large" in received


def test_a_head_that_never_ends_is_cut_at_its_bound_before_its_deadline_would_pass():
    with contextlib.closing(Stack(head_seconds=600)) as patient, connected(patient) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(OSError):
            for number in range(10_000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
        assert all_of(connection)[:13] in (b"HTTP/1.1 431 ", b"")  # a reset may overtake it


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "Content-Type", "Host"])
def test_a_field_that_may_be_sent_once_is_not_taken_twice(stack, key, name):
    values = {"Authorization": f"Bearer {key}", "X-API-Key": key, "Host": "x"}
    fields = {"Host": "x", "Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    lines = [*fields.items(), *[(name, values.get(name, "text/csv"))] * (1 + (name not in fields))]
    head = "".join(f"{one}: {value}\r\n" for one, value in lines)
    with connected(stack) as connection:
        connection.sendall(
            b"POST /endpoints/total/invocations HTTP/1.1\r\n" + head.encode()
            + b'Content-Length: 18\r\n\r\n{"inputs":[[1,2]]}'
        )  # fmt: skip
        received = all_of(connection)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"#ambiguous-field" in received
    assert name.lower().encode() in received


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"GET / HTTP/1.1\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.0\r\n", b"HTTP/1.1 404 "),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n", b"HTTP/1.1 501 "),
    ],
)
def test_a_head_without_what_http_requires_is_not_guessed_at(stack, head, answer):
    with connected(stack) as connection:
        connection.sendall(head + b"\r\n")
        assert all_of(connection).startswith(answer)


def test_connections_over_the_bound_get_503_and_those_that_are_open_are_unharmed(stack, key):
    with ExitStack() as all_connections:
        opened = [all_connections.enter_context(connected(stack)) for _ in range(MOST + 4)]
        refused, kept = [], []
        for connection in opened:
            head = ping(connection)
            (kept if head.startswith(b"HTTP/1.1 200 ") else refused).append((connection, head))
        assert refused
        for connection, head in refused:
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in head
            assert b"#overloaded" in head
            assert all_of(connection) == b""
        for connection, _ in kept:
            assert ping(connection).startswith(b"HTTP/1.1 200 ")

    def answered() -> bool:
        with connected(stack) as again:
            return ping(again).startswith(b"HTTP/1.1 200 ")

    wait_until(answered)
