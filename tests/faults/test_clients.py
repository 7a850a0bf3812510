"""Callers who go away in the middle: nobody else notices, and nothing of them stays."""

from __future__ import annotations

import random
import socket
import struct
from urllib.parse import urlsplit

import pytest

from tests.faults.load import Load
from tests.faults.scene import Scene

#: SO_LINGER with no time: closing resets the connection.
_RESET = struct.pack("ii", 1, 0)


def vanish(url: str, key: str, chance: random.Random) -> None:
    """One request of which a part is sent; then the caller is gone, in one of three ways."""
    at = urlsplit(url)
    body = b'{"inputs": [[1.0, 0.0]]}'
    request = (
        f"POST {at.path}/invocations HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with socket.create_connection((at.hostname, at.port or 80), timeout=30) as connection:
        connection.sendall(request[: chance.randrange(1, len(request) + 1)])
        how = chance.choice(["close", "reset", "half"])
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if how == "half":
            connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def callers(request: pytest.FixtureRequest) -> int:
    return 10_000 if request.config.getoption("--all") else 1000


def test_callers_who_vanish_cost_nobody_anything(
    scene: Scene, load: Load, chance: random.Random, callers: int
) -> None:
    for _ in range(callers):
        vanish(scene.url, scene.key, chance)
    load.after(50)
    load.stop().nobody_noticed()
