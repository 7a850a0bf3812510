"""An answer whose head and body are there together, sent with one system call.

uvicorn writes head and body one after the other, each with a system call of its own, and looks
through each header for bytes that would end it; with few and short headers that is a large part of
what a small answer costs.  Rule: the headers given here are the gateway's own, and nothing of what
a caller sent is in one, unless it has been matched whole (X-Request-Id).
"""

from __future__ import annotations

from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Header = tuple[bytes, bytes]

#: The key in a request's scope under which its `WholeAnswer` is found.
WHOLE = "jupyter_deploy.whole"


def answer_bytes(
    status: int, headers: Iterable[Header], body: bytes, *, keep_alive: bool
) -> tuple[bytes, bool]:
    """A whole HTTP answer, and whether its connection stays: a header "connection" ends it."""
    parts = [STATUS_LINE[status]]
    for name, value in headers:
        if name == b"connection":  # ours says nothing but "close"
            keep_alive = False
        else:
            parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n" if keep_alive else b"connection: close\r\n\r\n", body)
    return b"".join(parts), keep_alive


class WholeAnswer:
    """Answers the request of one uvicorn `cycle`."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def send(self, status: int, headers: Iterable[Header], body: bytes) -> bool:
        """Answer; `headers` have the length.  False: nothing was done, it has to go in steps.

        That is so for a caller who does not take what he is sent, and for HEAD.
        """
        cycle = self._cycle
        if cycle.flow.write_paused or cycle.response_started or cycle.scope["method"] == "HEAD":
            return False
        if cycle.disconnected or cycle.transport.is_closing():
            return True
        cycle.response_started = cycle.response_complete = True
        if cycle.waiting_for_100_continue and cycle.more_body:
            # Whoever was not told to send the body may send another request in its place.
            cycle.keep_alive = False
        cycle.waiting_for_100_continue = False
        sent, cycle.keep_alive = answer_bytes(
            status, (*cycle.default_headers, *headers), body, keep_alive=cycle.keep_alive
        )
        cycle.transport.write(sent)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True
