"""A caller who is refused while it still sends gets to see why: clients read when all is sent."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from jupyter_deploy.gateway.lingering import MOST_BYTES, MOST_SECONDS, Rest
from tests.gateways import Stack
from tests.process.served import VECTOR, total
from tests.support import wait_until

#: More than the kernel holds for both ends of a connection.
LARGE = 64 << 20
LIMIT = 10_000
PATH = "/endpoints/total/invocations"


def callers(gateway: psutil.Process) -> set[int]:
    """The ports of those whose connections are still held."""
    return {one.raddr[1] for one in gateway.net_connections("tcp") if one.raddr}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.deploy("total", VECTOR, total, max_body_bytes=LIMIT)
        yield stack


@pytest.mark.parametrize(
    ("path", "good_key", "in_chunks", "status"),
    [(PATH, True, False, 413), (PATH, True, True, 413), (PATH, False, False, 401),
     ("/nothing", True, False, 404)],
)  # fmt: skip
def test_urllib_sends_all_and_then_reads_why_it_is_refused(
    stack, path, good_key, in_chunks, status
):
    body = (b" " * (1 << 20) for _ in range(LARGE >> 20)) if in_chunks else b" " * LARGE
    headers = {"Content-Type": "application/json", "X-API-Key": stack.key("total")}
    if not good_key:
        headers["X-API-Key"] += "x"
    request = urllib.request.Request(stack.url + path, body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == status
    assert json.loads(refused.value.read())["status"] == status


def test_a_caller_who_has_stopped_sending_is_not_waited_for(stack):
    with socket.create_connection(("127.0.0.1", stack.port), 30) as connection:
        connection.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {stack.key('total')}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {LARGE}\r\n\r\n ".encode()
        )
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 413 ")
        port = connection.getsockname()[1]
        gateway = psutil.Process(stack.gateway.pid)
        assert port in callers(gateway)
        wait_until(lambda: port not in callers(gateway))


@pytest.mark.parametrize(
    ("count", "seconds", "goes_on"),
    [
        (1, 0.0, True),
        (MOST_BYTES - 1, MOST_SECONDS - 1, True),
        (MOST_BYTES, 0.0, False),
        (1, MOST_SECONDS, False),
    ],
)
def test_the_rest_of_a_body_is_bounded_in_bytes_and_in_time(count, seconds, goes_on):
    assert Rest(100.0).goes_on(count, 100.0 + seconds) is goes_on
