"""Reading a body: its type, its size and the time it may take are checked before its content."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Literal, cast

from jupyter_deploy.errors import RequestError, RequestTimeout, TooLarge, UnsupportedMedia
from jupyter_deploy.gateway.heavy import LARGE_BODY_BYTES
from jupyter_deploy.gateway.memory import OpenBytes

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = Mapping[bytes, bytes]
Media = Literal["json", "csv", "tensor"]

#: A body must have arrived so many seconds after the head of the request.
RECEIPT_SECONDS = 30.0
_KNOWN: dict[str, Media] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/octet-stream": "tensor",
}
_CHARSETS = {"utf-8", "utf8", "us-ascii"}


class Disconnected(RequestError):
    """The caller has gone; nobody reads the answer."""

    code, status, title = "client-closed-request", 499, "The caller has gone"

    def __init__(self) -> None:
        super().__init__("The connection was closed before the answer.")


def media_type(headers: Headers) -> Media:
    """What the body is said to be.  Raises UnsupportedMedia."""
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(f"content encoding {encoding}")
    sent = headers.get(b"content-type")
    if sent is None:
        raise UnsupportedMedia("no content type")
    if sent == b"application/json":
        return "json"
    name, *parameters = sent.decode("latin-1").lower().split(";")
    media = _KNOWN.get(name.strip())
    if media is None or not all(_is_utf8(parameter) for parameter in parameters):
        raise UnsupportedMedia(sent.decode("latin-1"))
    return media


class Receipt:
    """Ends the reading of bodies that take too long to arrive.

    One timer for all of them: a timer for each request would cost more than reading it.
    Invariant: `_reading` holds the tasks that wait for a body, the oldest first.
    """

    def __init__(
        self, seconds: float = RECEIPT_SECONDS, open_bytes: OpenBytes | None = None
    ) -> None:
        self._seconds = seconds
        self.open_bytes = open_bytes or OpenBytes()
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def body(self, receive: Receive, headers: Headers, limit: int) -> bytes:
        """The whole body; the caller gives its length back to `open_bytes` when it is done.

        Raises TooLarge, ShortOfMemory, RequestTimeout or Disconnected.
        """
        announced = headers.get(b"content-length", b"0")
        if len(announced) > len(str(limit)) or int(announced) > limit:
            raise TooLarge(limit)
        task = asyncio.current_task()
        assert task is not None, "every request is a task"
        self._reading[task] = time.monotonic() + self._seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end_late)
        try:
            return await _read(receive, limit, self.open_bytes)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise RequestTimeout(self._seconds) from None
        finally:
            del self._reading[task]
            self._late.discard(task)

    def _end_late(self) -> None:
        now = time.monotonic()
        self._timer = None
        for task, deadline in self._reading.items():
            if deadline > now:
                again = asyncio.get_running_loop().call_later(deadline - now, self._end_late)
                self._timer = again
                return
            if task not in self._late:
                self._late.add(task)
                task.cancel()


async def _read(receive: Receive, limit: int, open_bytes: OpenBytes) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message["more_body"]:
        body = _within(message["body"], limit)
        open_bytes.take(len(body))
        return body
    taken = bytearray()
    try:
        await _rest(receive, message, limit, taken, open_bytes)
        # Nobody has a turn while 95 MB are copied, and whoever reads takes the one like the other.
        return bytes(taken) if len(taken) < LARGE_BODY_BYTES else cast("bytes", taken)
    except BaseException:
        open_bytes.give(len(taken))
        raise


async def _rest(
    receive: Receive, message: MutableMapping[str, Any], limit: int, body: bytearray,
    open_bytes: OpenBytes,
) -> None:  # fmt: skip
    while message["type"] == "http.request":
        piece = message.get("body", b"")
        if len(body) + len(piece) > limit:
            raise TooLarge(limit)
        open_bytes.take(len(piece))
        body += piece
        if not message.get("more_body"):
            return
        message = await receive()
    raise Disconnected


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(limit)
    return body


def _is_utf8(parameter: str) -> bool:
    name, _, value = parameter.strip().partition("=")
    return name != "charset" or value.strip('" ') in _CHARSETS
