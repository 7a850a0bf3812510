"""A gateway that hands over to another on the same socket: real processes, real connections."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateways import Stack
from tests.process.blocks import Blocks
from tests.process.served import VECTOR, total
from tests.support import wait_until

PING = b"GET /endpoints/total/ping HTTP/1.1\r\nHost: x\r\n\r\n"


def slow(x):
    import time

    time.sleep(3)
    return x.sum(axis=1)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.deploy("total", VECTOR, total)
        yield stack


def connected(stack: Stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.port), 30)


def to_the_end(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def ping(connection: socket.socket) -> bytes:
    """The answer to a request on `connection`, which stays open."""
    connection.sendall(PING)
    received = connection.recv(65536)
    while not received.endswith(b"\n") or received.endswith(b"\r\n\r\n"):
        received += connection.recv(65536)
    return received


def drain(stack: Stack) -> int:
    """Have the gateway hand over; how many connections it still has."""
    return stack.admin.post("/drain").raise_for_status().json()["open"]


def test_an_open_connection_gets_one_more_answer_that_says_it_is_the_last(stack: Stack) -> None:
    with connected(stack) as connection:
        assert b"connection: close" not in ping(connection)
        assert drain(stack) > 0
        connection.sendall(PING)
        answer = to_the_end(connection)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"\r\nconnection: close\r\n" in answer
    wait_until(lambda: drain(stack) == 0)


def test_a_prediction_says_so_too_and_one_in_flight_is_answered(stack: Stack) -> None:
    key = stack.key("total", "slow")
    stack.deploy("slow", VECTOR, slow)
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(stack.predict, "slow", {"inputs": [[1, 2]]}, key)
        wait_until(lambda: stack.admin.get("/load").json()["versions"][1][3] > 0, 30)
        drain(stack)
        answer = long.result(30)
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")


def test_a_connection_on_which_nothing_comes_is_closed_and_one_in_a_head_is_not(
    stack: Stack,
) -> None:
    with connected(stack) as idle, connected(stack) as late:
        ping(idle)
        ping(late)
        late.sendall(PING[:20])
        drain(stack)
        assert to_the_end(idle) == b""
        late.sendall(PING[20:])
        assert to_the_end(late).startswith(b"HTTP/1.1 200")
    wait_until(lambda: drain(stack) == 0)


def test_an_idle_connection_is_not_closed_at_once(stack: Stack) -> None:
    """Its caller may be sending at that very moment."""
    with connected(stack) as idle:
        ping(idle)
        began = time.monotonic()
        drain(stack)
        assert to_the_end(idle) == b""
        assert time.monotonic() - began > 1.0


def test_who_connects_now_waits_for_the_gateway_that_takes_over(stack: Stack) -> None:
    first = stack.gateway
    with connected(stack) as connection:
        before = process_of(ping(connection))
    drain(stack)
    with connected(stack) as connection:
        connection.sendall(PING)
        first.terminate()
        assert first.wait(30) == 0
        stack.start_gateway()
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert process_of(answer) != before


def process_of(answer: bytes) -> bytes:
    """What the ids that a gateway process gives to requests begin with."""
    return answer.partition(b"x-request-id: ")[2][:12]


def test_a_gateway_that_waits_accepts_nobody_until_it_is_told_to() -> None:
    with Stack(waits=True) as stack, connected(stack) as connection:
        connection.sendall(PING)
        # It has had many a turn to accept: these are answered by the same loop.
        for _ in range(50):
            stack.admin.get("/stats")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.settimeout(30)
        assert stack.admin.post("/accept").is_success
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


def test_a_gateway_that_hands_over_lends_its_socket_to_nobody(stack: Stack) -> None:
    with socket.socket(socket.AF_UNIX) as lent:
        lent.connect(str(stack.folder / "admin.fd"))
        assert socket.recv_fds(lent, 100, 1)[1]
    drain(stack)
    wait_until(lambda: refuses(stack.folder / "admin.fd"))


def test_a_gateway_whose_loop_is_held_lends_its_socket_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the only one that has it."""
    blocks = Blocks.make(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.getcwd()]))
    with (
        Stack() as stack,
        blocks.loop_of(stack.gateway.pid),
        socket.socket(socket.AF_UNIX) as lent,
    ):
        lent.settimeout(30)
        lent.connect(str(stack.folder / "admin.fd"))
        (descriptor,) = socket.recv_fds(lent, 100, 1)[1]
        with socket.socket(fileno=descriptor) as listener:
            assert listener.getsockname()[1] == stack.port


def refuses(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == errno.ECONNREFUSED
