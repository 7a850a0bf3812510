"""One gateway: its process, and the orders that it takes.

Rule 1: a living gateway of an earlier supervisor is taken over, with the socket that all gateways
share.  Rule 2: a gateway that ends is started again at once, and later each time when it ends at
once.  Rule 3: one that does not answer an order is as good as dead, and is replaced.
"""

from __future__ import annotations

import asyncio
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
from jupyter_deploy.errors import Unavailable
from jupyter_deploy.supervisor import running
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.processes import Order, Process, environment
from jupyter_deploy.supervisor.settings import Settings

_log = logging.getLogger(__name__)

#: A gateway that lived for less than this is started again later, not at once.
_SHORT_LIFE_SECONDS = 5.0
#: An order is carried out within this, a new process included.
_ORDER_SECONDS = 20.0
#: A gateway that ran and has not answered for as long as this does not answer any more.
_SILENT_SECONDS = 5.0
_TRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class _Load:
    pid: int
    at: float
    versions: list[tuple[str, str, int, float]]


class Gateway:
    """Gateway `number`, the first being 0: `keep` has it run, `close` ends it."""

    def __init__(self, settings: Settings, journal: Journal, number: int) -> None:
        self._settings = settings
        self._journal = journal
        self._admin = settings.admin(number)
        self._config = settings.processes / config_name(number)
        self._process: Process | None = None
        self._outdated = False
        self._keeper: asyncio.Task[None] | None = None
        # `verify` would load a bundle of certificates, for a local socket.
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin), verify=False)
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://gateway", timeout=_SILENT_SECONDS, trust_env=False
        )

    @property
    def pid(self) -> int | None:
        """The process, when there is one."""
        return self._process.pid if self._process is not None and self._process.alive else None

    @property
    def name(self) -> str:
        """What tells this gateway's history from another's."""
        return self._admin.name

    # --- the process ----------------------------------------------------------------------------

    def adopt(self, pid: int, started: float) -> bool:
        """Take over the process of an earlier supervisor; whether it is still there."""
        self._process = Process.adopt(pid, started)
        self._outdated = not _told_all(self._config, self._sharing())
        return self._process is not None

    def borrow(self) -> socket.socket:
        """The listening socket, from the process that was taken over.  Raises OSError."""
        return _borrow(Path(f"{self._admin}.fd"))

    async def dismiss(self) -> None:
        """End the process that was taken over: its socket is not to be had."""
        if self._process is not None:
            await self._process.end(2.0)
            self._process = None

    def keep(self, listener: socket.socket) -> None:
        """Start the process if there is none, and again whenever it ends."""
        if self._outdated and self._process is not None:
            self._process.terminate()  # it finishes what it has; the next one is told the truth
        work = self._keep(listener.fileno())
        self._keeper = asyncio.get_running_loop().create_task(work, name=f"keep {self.name}")

    async def _keep(self, descriptor: int) -> None:
        ends = 0
        while True:
            began = time.monotonic()
            if self._process is None:
                self._process = self._start(descriptor)
            pid, exit_ = self._process.pid, await self._process.exit()
            self._process = None
            short = time.monotonic() - began < _SHORT_LIFE_SECONDS
            ends = ends + 1 if short else 0
            self._journal.add(
                "gateway-ended", f"The gateway (pid {pid}) {exit_}; a new one starts."
            )
            await asyncio.sleep(lifecycle.delay(ends - 1, 0.99) if ends > 1 else 0.0)

    def _start(self, descriptor: int) -> Process:
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps(self._told(descriptor)))
        return Process.start(
            Order(
                argv=[sys.executable, "-m", "jupyter_deploy.gateway", str(self._config)],
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
            "admin": str(self._admin),
            "errors": str(self._settings.errors),
            "level": self._settings.log_level,
            **self._sharing(),
        }

    def _sharing(self) -> dict[str, Any]:
        processes = self._settings.gateway_processes
        if processes == 1:
            return {}
        return {"shared": str(self._settings.shared), "processes": processes}

    async def close(self) -> None:
        """Stop accepting, finish what is in flight, end the process."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._process is not None:
            await self._process.end(self._settings.drain_seconds + 2.0)
        await self._http.aclose()
        for file in (self._admin, Path(f"{self._admin}.fd"), self._config):
            file.unlink(missing_ok=True)

    # --- orders ---------------------------------------------------------------------------------

    async def reload(self, sequence: int) -> str:
        """Return once this gateway routes by snapshot `sequence` or a later one.

        One that is just being started is waited for, one that does not answer is replaced: the
        answer says so, and is empty otherwise.  Raises Unavailable when that takes too long.
        """
        deadline, note = time.monotonic() + _ORDER_SECONDS, ""
        while time.monotonic() < deadline:
            asked = self._process
            starved = 0.0 if asked is None else running.starved_seconds(asked.pid)
            try:
                response = await self._http.post("/reload")
                if response.is_success and response.json()["sequence"] >= sequence:
                    return note
            except httpx.ReadTimeout:
                note = self._replace(asked, starved) or note
            except (httpx.HTTPError, msgspec.DecodeError, ValueError, KeyError):
                pass  # it is only just being started
            await asyncio.sleep(_TRY_SECONDS)
        raise Unavailable(
            f"The gateway has not confirmed the change within {_ORDER_SECONDS:g} s.",
            "The change is kept and holds once the gateway is back: see logs/gateway.log.",
        )

    def _replace(self, asked: Process | None, starved: float) -> str:
        """Kill the process that has not answered, if it could have; what was done, in words."""
        if asked is None or asked is not self._process:
            return ""
        if running.starved_seconds(asked.pid) - starved > _SILENT_SECONDS / 2:
            return ""
        asked.kill()
        what = f"The gateway (pid {asked.pid}) did not answer and was replaced."
        self._journal.add("gateway-silent", what)
        return what

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

    async def sight(self) -> Sight | None:
        """What waits and what is at work, or None while it does not answer."""
        try:
            response = await self._http.get("/load")
            said = msgspec.json.decode(response.raise_for_status().content, type=_Load)
        except (httpx.HTTPError, msgspec.DecodeError):
            return None
        work = {(name, version): Work(n, busy) for name, version, n, busy in said.versions}
        return Sight(said.pid, said.at, work)


def config_name(number: int) -> str:
    """The file that gateway `number` is told: the last word of its argv."""
    return "gateway.json" if number == 0 else f"gateway-{number}.json"


def _told_all(config: Path, sharing: dict[str, Any]) -> bool:
    """Whether a process that was told `config` shares with others as it should."""
    try:
        told = json.loads(config.read_text())
        return all(told.get(name) == sharing.get(name) for name in ("shared", "processes"))
    except (OSError, ValueError, AttributeError):
        return False


def _borrow(path: Path, seconds: float = 3.0) -> socket.socket:
    """The listening socket that a gateway hands out at `path`.  Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(str(path))
        _, descriptors, _, _ = socket.recv_fds(connection, 1024, 1)
    if not descriptors:
        raise OSError("no socket was handed over")
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - the standard library has it so
    return socket.socket(fileno=descriptors[0])
