"""A bare ASGI application that answers with the body that it got: what HTTP alone costs."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

from benchmarks.peer import Peer, Place, Target, invocations, own_server


class Echo(Peer):
    """uvicorn with uvloop and httptools, one process, no access log."""

    name = "echo"
    title = "bare ASGI echo"
    distribution = "uvicorn"
    packages: ClassVar = ("uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0")
    settings = "uvloop, httptools, one process, no access log; no model, no JSON"

    def command(self, place: Place) -> list[str]:
        """This file's own `main`."""
        return own_server(place, "echo")

    def target(self, place: Place) -> Target:
        """The body that our own endpoint gets."""
        return Target("/", invocations(place))

    def labels(self, answer: bytes) -> list[Any]:
        """The body itself is compared, by `Session`."""
        return [answer.decode()]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read the whole body, send it back."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(port: int) -> None:
    """Serve until SIGTERM."""
    import uvicorn

    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(int(sys.argv[2]))
