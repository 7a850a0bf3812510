"""A transport that sends the head of an answer together with its body.

uvicorn writes the two one after the other, each with a system call of its own; these calls are the
largest part of what an answer costs.
"""

from __future__ import annotations

import asyncio
from typing import Any


class JoinedTransport:
    """Takes the place of `inner` for its protocol.

    What is written waits for what is written next in the same turn of the loop, and no longer.
    """

    __slots__ = ("_inner", "_loop", "_waiting")

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Send `data`, at the latest at the end of this turn."""
        if self._waiting:
            waiting, self._waiting = self._waiting, b""
            self._inner.write(waiting + data)
        elif data:
            self._waiting = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what waits, then close."""
        self._flush()
        self._inner.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, b""
        if waiting:
            self._inner.write(waiting)

    def __getattr__(self, name: str) -> Any:
        # Everything else (addresses, flow control, whether it is closing) is the inner transport's.
        return getattr(self._inner, name)
