"""Callers who ask once, and callers who go away in the middle."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from urllib.parse import urlsplit

#: SO_LINGER with no time: closing resets the connection.
_RESET = struct.pack("ii", 1, 0)


def ping(url: str, connections: contextlib.ExitStack) -> int:
    """The status that a new connection gets, which stays open; 0 when it is closed."""
    at = urlsplit(url)
    connection = socket.create_connection((at.hostname, at.port or 80), timeout=30)
    connections.enter_context(connection)
    with contextlib.suppress(ConnectionError):
        connection.sendall(f"GET {at.path}/ping HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
        answer = connection.recv(65536).split(b" ")
        return int(answer[1]) if len(answer) > 1 else 0
    return 0


def begin(url: str, connections: contextlib.ExitStack) -> None:
    """A new connection with a part of a head, which stays open."""
    at = urlsplit(url)
    connection = socket.create_connection((at.hostname, at.port or 80), timeout=30)
    connections.enter_context(connection)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: ")


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
