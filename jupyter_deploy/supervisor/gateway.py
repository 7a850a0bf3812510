"""The gateway: its listening socket, its process, and the orders that it takes.

Rule 1: the supervisor holds the listening socket, so that a dead gateway refuses nobody: callers
wait in the kernel's queue until the next one accepts.  Rule 2: a living gateway of an earlier
supervisor is taken over, socket and all.  Rule 3: a gateway that ends is started again at once,
and later each time when it ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from jupyter_deploy.core import lifecycle
from jupyter_deploy.core.scaling import Sight, Work
from jupyter_deploy.core.series import History
from jupyter_deploy.errors import StateUnavailable, Unavailable
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.processes import Order, Process, environment
from jupyter_deploy.supervisor.settings import Settings

_log = logging.getLogger(__name__)

CONFIG = "gateway.json"
#: How many ports after the one asked for are tried.
_PORTS = 100
_BACKLOG = 1024
#: A gateway that lived for less than this is started again later, not at once.
_SHORT_LIFE_SECONDS = 5.0
_START_SECONDS = 15.0
_TRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class _Load:
    pid: int
    at: float
    versions: list[tuple[str, str, int, float]]


class Gateway:
    """The one gateway.  `open` gets a socket and a process, `close` ends both."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._listener: socket.socket | None = None
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        # `verify` would load a bundle of certificates, for a local socket.
        transport = httpx.AsyncHTTPTransport(uds=str(settings.admin), verify=False)
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://gateway", timeout=5.0, trust_env=False
        )

    # --- the socket -----------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that callers use."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The address that callers use."""
        return f"http://{self._settings.ip}:{self.port}"

    @property
    def pids(self) -> tuple[int, ...]:
        """The process, when there is one."""
        alive = self._process is not None and self._process.alive
        return (self._process.pid,) if self._process is not None and alive else ()

    def bind(self, wanted: int) -> None:
        """Listen on `wanted`, or on the next free port.  Raises StateUnavailable."""
        self._listener = _listen(self._settings.ip, wanted)

    async def adopt(self, living: dict[str, tuple[int, float]]) -> bool:
        """Take over the gateway among `living`, with its socket; whether there was one."""
        pid, started = living.get(CONFIG, (0, 0.0))
        process = Process.adopt(pid, started) if pid else None
        if process is None:
            return False
        try:
            self._listener = await asyncio.to_thread(_borrow, Path(f"{self._settings.admin}.fd"))
        except OSError as error:
            _log.warning("the gateway (pid %d) keeps its socket: %s", pid, error)
            await process.end(2.0)
            return False
        self._process = process
        return True

    # --- the process ----------------------------------------------------------------------------

    def keep(self) -> None:
        """Start the gateway if there is none, and again whenever it ends."""
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name="keep gateway")

    async def _keep(self) -> None:
        ends = 0
        while True:
            began = time.monotonic()
            if self._process is None:
                self._process = self._start()
            pid, exit_ = self._process.pid, await self._process.exit()
            self._process = None
            short = time.monotonic() - began < _SHORT_LIFE_SECONDS
            ends = ends + 1 if short else 0
            self._journal.add(
                "gateway-ended", f"The gateway (pid {pid}) {exit_}; a new one starts."
            )
            await asyncio.sleep(lifecycle.delay(ends - 1, 0.99) if ends > 1 else 0.0)

    def _start(self) -> Process:
        assert self._listener is not None
        descriptor = self._listener.fileno()
        config = self._settings.processes / CONFIG
        config.touch(mode=0o600)
        config.write_text(json.dumps(self._told(descriptor)))
        return Process.start(
            Order(
                argv=[sys.executable, "-m", "jupyter_deploy.gateway", str(config)],
                environment=environment({}),
                folder=self._settings.processes,
                log=self._settings.logs / "gateway.log",
                descriptors=[descriptor],
            )
        )

    def _told(self, descriptor: int) -> dict[str, Any]:
        return {
            "fd": descriptor,
            "snapshot": str(self._settings.snapshot),
            "admin": str(self._settings.admin),
            "errors": str(self._settings.errors),
            "level": self._settings.log_level,
        }

    # --- orders ---------------------------------------------------------------------------------

    async def reload(self, sequence: int, seconds: float = _START_SECONDS) -> None:
        """Return once the gateway routes by snapshot `sequence` or a later one.

        A gateway that is just being started is waited for.  Raises Unavailable after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError, msgspec.DecodeError, KeyError):
                response = await self._http.post("/reload")
                if response.is_success and response.json()["sequence"] >= sequence:
                    return
            await asyncio.sleep(_TRY_SECONDS)
        raise Unavailable(
            f"The gateway has not confirmed the change within {seconds:g} s.",
            "The change is kept and holds once the gateway is back: see logs/gateway.log.",
        )

    @property
    def name(self) -> str:
        """What tells this gateway's history from another's."""
        return self._settings.admin.name

    async def history(self, cursor: str, *, seal: bool = False) -> History:
        """The seconds after `cursor`; with `seal` up to now.  Raises Unavailable."""
        query = {"after": cursor} | ({"seal": "1"} if seal else {})
        try:
            response = await self._http.get("/history", params=query)
            return msgspec.json.decode(response.raise_for_status().content, type=History)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise Unavailable(
                "The gateway does not answer now.", "Try again in a moment."
            ) from error

    async def sights(self) -> list[Sight]:
        """What waits and what is at work, as each gateway says that answers."""
        try:
            response = await self._http.get("/load")
            said = msgspec.json.decode(response.raise_for_status().content, type=_Load)
        except (httpx.HTTPError, msgspec.DecodeError):
            return []
        work = {(name, version): Work(n, busy) for name, version, n, busy in said.versions}
        return [Sight(said.pid, said.at, work)]

    async def close(self) -> None:
        """Stop accepting, finish what is in flight, end the process, close the socket."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._process is not None:
            await self._process.end(self._settings.drain_seconds + 2.0)
        await self._http.aclose()
        for file in (self._settings.admin, Path(f"{self._settings.admin}.fd")):
            file.unlink(missing_ok=True)
        (self._settings.processes / CONFIG).unlink(missing_ok=True)


def _listen(ip: str, wanted: int) -> socket.socket:
    for port in range(wanted, min(wanted + _PORTS, 65536)) if wanted else [0]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ip, port))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            continue
        return listener
    raise StateUnavailable(
        f"No port from {wanted} on is free on {ip}.", "Set JUPYTER_DEPLOY_PORT to a free one."
    )


def _borrow(path: Path, seconds: float = 3.0) -> socket.socket:
    """The listening socket that the gateway hands out at `path`.  Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(str(path))
        _, descriptors, _, _ = socket.recv_fds(connection, 1024, 1)
    if not descriptors:
        raise OSError("no socket was handed over")
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - the standard library has it so
    return socket.socket(fileno=descriptors[0])
