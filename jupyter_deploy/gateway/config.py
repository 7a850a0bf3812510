"""What the gateway is told when it starts: one JSON file, written by the supervisor."""

from __future__ import annotations

from pathlib import Path

import msgspec

from jupyter_deploy.gateway.memory import MOST_OPEN_BYTES


class GatewayConfig(msgspec.Struct, frozen=True):
    """`fd` is an inherited listening socket; `admin` the path of the admin socket.

    `head_seconds` is the time that the head of a request may take; `most_connections` is None for
    half of the files that the process may open.  All bodies together may hold `open_bytes` bytes.
    `shared` is the folder of what several gateways share, `processes` of them; None for one alone.
    One that `waits` accepts nobody until it is told to.
    """

    fd: int
    snapshot: str
    admin: str
    errors: str
    level: str = "INFO"
    drain_seconds: float = 30.0
    head_seconds: float = 10.0
    most_connections: int | None = None
    open_bytes: int = MOST_OPEN_BYTES
    shared: str | None = None
    processes: int = 1
    waits: bool = False

    @classmethod
    def read(cls, path: Path) -> GatewayConfig:
        """The configuration in `path`.  Raises OSError or msgspec.MsgspecError."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
