"""What an HTTP message may hold beside its request, and what may come behind it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateways import Stack
from tests.process.served import VECTOR, total

BODY = b'{"inputs":[[1,2]]}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.deploy("total", VECTOR, total)
        yield stack


@pytest.fixture(scope="module")
def key(stack: Stack) -> bytes:
    return stack.key("total").encode()


def request(key: bytes, fields: bytes = b"", body: bytes = BODY) -> bytes:
    length = b"" if CHUNKED in fields else b"Content-Length: %d\r\n" % len(body)
    return (
        b"POST /endpoints/total/invocations HTTP/1.1\r\nHost: x\r\nX-API-Key: %b\r\n"
        b"Content-Type: application/json\r\n%b%b\r\n%b" % (key, fields, length, body)
    )


def chunks(body: bytes) -> bytes:
    """All but the end of a body in chunks."""
    return b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n"


def answers(stack: Stack, sent: bytes, count: int = 1) -> list[tuple[int, object]]:
    """What so many requests got: statuses and documents."""
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as stream:
            return [_answer(stream) for _ in range(count)]


def _answer(stream) -> tuple[int, object]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().lower()) != b"\r\n":
        if line.startswith(b"content-length:"):
            length = int(line.split()[1])
    return status, json.loads(stream.read(length))


GOOD = (200, {"predictions": [3.0]})


def test_trailers_are_no_part_of_the_head(stack, key):
    trailers = b"X-API-Key: other\r\nContent-Type: text/csv\r\nX-More: 1\r\n\r\n"
    assert answers(stack, request(key, CHUNKED, chunks(BODY) + trailers)) == [GOOD]


@pytest.mark.parametrize("offer", [b"h2c", b"websocket", b"TLS/1.0"])
def test_an_offer_of_another_protocol_is_read_over_with_its_body(stack, key, offer):
    # As Java's client sends it with each request.
    fields = (
        b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
        b"Upgrade: %b\r\n" % offer
    )
    offered = request(key, fields)
    assert answers(stack, offered + offered + request(key), 3) == [GOOD] * 3
    assert answers(stack, request(key, fields + CHUNKED, chunks(BODY) + b"\r\n")) == [GOOD]
    long = json.dumps({"inputs": [[1, 2]] * 20_000}).encode()
    ((status, document),) = answers(stack, request(key, fields, long))
    assert (status, len(document["predictions"])) == (200, 20_000)


def test_offers_without_an_end_end_the_connection(stack, key):
    offer = request(key, b"Connection: Upgrade\r\nUpgrade: h2c\r\n")
    with (
        socket.create_connection(("127.0.0.1", stack.port), 10) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(offer * 100)
        while connection.recv(65536):
            pass
    assert answers(stack, request(key)) == [GOOD]


def test_requests_behind_each_other_are_answered_in_order(stack, key):
    # Reads end within heads, which are no larger for what came before them.
    count = 3000
    sent = b"".join(request(key, body=b'{"inputs":[[%d,0]]}' % number) for number in range(count))
    with (
        socket.create_connection(("127.0.0.1", stack.port), 30) as connection,
        connection.makefile("rb") as stream,
        ThreadPoolExecutor(1) as pool,
    ):
        sending = pool.submit(connection.sendall, sent)
        found = [_answer(stream) for _ in range(count)]
        sending.result()
    assert found == [(200, {"predictions": [float(number)]}) for number in range(count)]


@pytest.mark.parametrize("begin", ["trailers", "a trailer", "an extension"])
def test_what_is_no_body_is_bounded(stack, key, begin):
    first, more = {
        "trailers": (chunks(BODY), b"X-More: 1\r\n" * 10_000),
        "a trailer": (chunks(BODY) + b"X-More: ", b"a" * 100_000),
        "an extension": (b"1;", b"a" * 100_000),
    }[begin]
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(request(key, CHUNKED, first))
        with pytest.raises(ConnectionError):
            connection.sendall(more * 100)
    assert answers(stack, request(key)) == [GOOD]


def test_a_caller_who_never_reads_is_not_read_from_without_end(stack):
    unread = b"GET /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n" + b" " * 600
    with (
        socket.create_connection(("127.0.0.1", stack.port), 3) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.sendall(unread * 100_000)
    assert answers(stack, unread)[0][0] == 404


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["TLS", "HTTP/2", "a bad field", "CONNECT"],
)  # fmt: skip
def test_what_is_no_request_is_told_so_as_all_errors_are(stack, sent):
    ((status, document),) = answers(stack, sent)
    assert status == document["status"] == 400
    assert "HTTP/1.1" in document["detail"]


def test_what_is_no_request_is_no_answer_to_the_one_before(stack, key):
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(request(key) + b"\x00\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                received += piece
    assert b" 400 " not in received
