"""A short request that came whole, and its answer: without a task and without ASGI's messages.

uvicorn makes a scope, a cycle and a task for each request, and the application is told of the body
in messages.  Where head and body came in one read there is nothing to wait for but the model, and
that is told by a call.  Everything else (large bodies, bodies in parts, pages) goes uvicorn's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from jupyter_deploy.gateway.whole import Header, answer_bytes

#: A longer body goes the other way: decoding it may take long, and so may encoding its answer.
MOST_BYTES = 16_384


class Leaver(Protocol):
    """Work that is done for a caller."""

    def leave(self) -> None:
        """The caller has gone."""


class _Unheard:
    """The event that uvicorn sets for whoever waits for a body: here nobody does."""

    def set(self) -> None:
        pass


_UNHEARD = _Unheard()


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer; takes the place of uvicorn's cycle on its connection.

    uvicorn reads `response_complete` and `message_event`, and sets `keep_alive` and `disconnected`.
    """

    transport: asyncio.Transport
    path: str
    headers: dict[bytes, bytes]
    keep_alive: bool
    default_headers: Iterable[Header]
    on_response: Callable[[], None]
    body: bytes = b""
    leaver: Leaver | None = None
    response_complete: bool = False
    disconnected: bool = False
    message_event: _Unheard = _UNHEARD

    def send(self, status: int, headers: list[Header], body: bytes) -> None:
        """Answer, once; `headers` have the length.  It raises nothing when the caller has gone."""
        self.response_complete = True
        if self.disconnected or self.transport.is_closing():
            return
        sent, stays = answer_bytes(
            status, (*self.default_headers, *headers), body, keep_alive=self.keep_alive
        )
        self.transport.write(sent)
        if not stays:
            self.transport.close()
        self.on_response()
