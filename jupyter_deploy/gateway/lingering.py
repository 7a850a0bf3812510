"""The last answer on a connection whose caller is still sending: a 413, a 401 for a large body.

A socket that is closed with bytes in it that nobody has read resets its connection, and the
caller's kernel throws the answer away.  Most clients read only once all is sent.  So what still
comes is thrown away instead, and the connection closed when the caller ends it, or when it has
been silent, or sending, for as long as is reasonable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_deploy.errors import RequestError
from jupyter_deploy.gateway import problems

#: A caller who sends nothing for so long has stopped.
SILENT_SECONDS = 2.0
#: Nobody is waited for longer, or for more.
MOST_SECONDS = 30.0
MOST_BYTES = 1 << 30
_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    503: b"Service Unavailable",
}


class Rest:
    """What a caller still sends, from `now` on."""

    __slots__ = ("_bytes", "_until")

    def __init__(self, now: float) -> None:
        self._until = now + MOST_SECONDS
        self._bytes = MOST_BYTES

    def goes_on(self, count: int, now: float) -> bool:
        """Whether more is waited for, after these bytes."""
        self._bytes -= count
        return now < self._until and self._bytes > 0


class LastWord:
    """The transport that uvicorn writes one answer to; closing is left to `close`."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def last_answer(error: RequestError) -> bytes:
    """A whole HTTP answer for `error`, the last on its connection."""
    body = problems.problem(error, "")
    own = [header for header in problems.headers(error) if header[0] != b"connection"]
    lines = [
        b"HTTP/1.1 %d %b" % (error.status, _REASONS[error.status]),
        b"content-type: " + problems.CONTENT_TYPE,
        b"content-length: %d" % len(body),
        b"connection: close",
        *(name + b": " + value for name, value in own),
    ]
    return b"\r\n".join([*lines, b"", body])
