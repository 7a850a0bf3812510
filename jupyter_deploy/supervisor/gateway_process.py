"""One process of a gateway, and the orders that it takes.

Rule: nothing here decides.  An order has a deadline, and raises NoAnswer when there is none.
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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from jupyter_deploy.client import process_state
from jupyter_deploy.client.files import remove
from jupyter_deploy.client.process_start import own_start
from jupyter_deploy.core.scaling import Sight, Work
from jupyter_deploy.core.series import History
from jupyter_deploy.errors import Unavailable
from jupyter_deploy.supervisor.processes import Order, Process, environment
from jupyter_deploy.supervisor.settings import Settings

#: A gateway that ran and has not answered for as long as this does not answer any more.
SILENT_SECONDS = 5.0
#: A process that is taken over lends its socket within this.
_LEND_SECONDS = 3.0
#: One that is not older when it is taken over may only just be starting: its socket is waited for.
_YOUNG_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_DISMISS_SECONDS = 2.0
#: A new supervisor waits no longer to learn of the silences that its gateways have seen.
_ASKED_SECONDS = 3.0

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class NoAnswer(Exception):
    """An order was not carried out; `silent` says that it was taken, and nothing came back.

    Not so where the process was kept from answering, as others had the processors.
    """

    def __init__(self, why: str, *, silent: bool = False) -> None:
        super().__init__(why)
        self.silent = silent


@dataclass(frozen=True, slots=True)
class About:
    """What a process says of itself: `ready` when no version waits for its replicas' answer."""

    pid: int
    version: str = ""
    ready: bool = True


@dataclass(frozen=True, slots=True)
class _Load:
    pid: int
    at: float
    versions: list[tuple[str, str, int, float]]
    #: When each replica that has not answered was asked (monotonic); gateways of 0.1 do not say it.
    asked: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Errands:
    """What the rest of the supervisor does for a gateway.

    `write_routes` writes the snapshot that a new process reads; `collect` gets what all processes
    have counted, before one ends.
    """

    write_routes: Callable[[], None]
    collect: Callable[[], Awaitable[None]]


class _Pulses:
    """Heartbeats on one kept-alive connection to the admin socket.

    Twice a second and for ever: httpx would cost the idle supervisor as much as all else.
    """

    def __init__(self, admin: Path) -> None:
        self._admin = admin
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        """Return when there is an answer: any will do.  Raises OSError, EOFError."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_unix_connection(str(self._admin))
            reader, writer = self._streams
            writer.write(b"HEAD / HTTP/1.1\r\nHost: gateway\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """The next question makes a new connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


class GatewayProcess:
    """A process of gateway `number`; two of them take turns, so that each has files of its own."""

    def __init__(self, settings: Settings, number: int, turn: int) -> None:
        self._settings = settings
        name = "gateway" + (f"-{number}" if number else "") + ("-b" if turn else "")
        self._admin = settings.admin(name)
        self._config = settings.processes / f"{name}.json"
        self._pulses = _Pulses(self._admin)
        self.process: Process | None = None
        #: It accepts nobody until it is told to.
        self.waits = False
        # `verify` would load a bundle of certificates, for a local socket.
        transport = httpx.AsyncHTTPTransport(uds=str(self._admin), verify=False)
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://gateway", timeout=SILENT_SECONDS, trust_env=False
        )

    @property
    def name(self) -> str:
        """What tells its history from that of others, the same in its next life."""
        return self._admin.name

    @property
    def config(self) -> str:
        """The file that it was told: the last word of its argv."""
        return self._config.name

    @property
    def label(self) -> str:
        """Its process, for a person."""
        return "The gateway" if self.process is None else f"The gateway (pid {self.process.pid})"

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.alive

    # --- beginning and ending -------------------------------------------------------------------

    def start(self, descriptor: int, *, waits: bool) -> None:
        """Start it; one that `waits` accepts nobody until it is told to.  Raises OSError."""
        self.process, self.waits = None, waits
        self._settings.put_back_folders()
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps(self._told(descriptor, waits=waits)))
        self.process = Process.start(
            Order(
                argv=[sys.executable, "-m", "jupyter_deploy.gateway", str(self._config)],
                environment=environment({}),
                folder=self._settings.processes,
                log=self._settings.logs / "gateway.log",
                descriptors=[descriptor],
            )
        )

    def _told(self, descriptor: int, *, waits: bool) -> dict[str, Any]:
        return {
            "fd": descriptor,
            "snapshot": str(self._settings.snapshot),
            "admin": str(self._admin),
            "errors": str(self._settings.errors),
            "level": self._settings.log_level,
            "waits": waits,
            **self._sharing(),
        }

    def _sharing(self) -> dict[str, Any]:
        processes = self._settings.gateway_processes
        if processes == 1:
            return {}
        return {"shared": str(self._settings.shared), "processes": processes}

    @property
    def outdated(self) -> bool:
        """Whether it was told something else than it would be now of sharing with others."""
        try:
            told, now = json.loads(self._config.read_text()), self._sharing()
            return any(told.get(name) != now.get(name) for name in ("shared", "processes"))
        except (OSError, ValueError, AttributeError):
            return True

    def adopt(self, pid: int, started: float) -> bool:
        """Take over the process of an earlier supervisor; whether it is still there."""
        self.process = Process.adopt(pid, started)
        return self.process is not None

    async def borrow(self) -> socket.socket | None:
        """The listening socket; None when it is not lent: it waits, or hands over."""
        if self.process is not None:
            # One that was stopped could not lend it, and all who wait would be refused.
            self.process.resume()
        deadline = time.monotonic() + self._youth()
        while True:
            try:
                return await asyncio.to_thread(_borrow, Path(f"{self._admin}.fd"))
            except (FileNotFoundError, ConnectionRefusedError) as error:
                why: OSError = error
            except OSError as error:
                why, deadline = error, 0.0
            if not self.alive or time.monotonic() >= deadline:
                _log.warning("%s keeps its socket: %s", self.label, why)
                return None
            await asyncio.sleep(_LOOK_SECONDS)

    def _youth(self) -> float:
        """How long it may still be about to serve; less than nothing for one that does or did."""
        return 0.0 if self.process is None else self.process.started + _YOUNG_SECONDS - own_start()

    async def dismiss(self) -> None:
        """End it soon: it is of no use."""
        if self.process is not None:
            await self.process.end(_DISMISS_SECONDS)
            self.process = None

    async def close(self) -> None:
        """Remove what is left of it; it must have ended."""
        self._pulses.close()
        await self._http.aclose()
        for file in (self._admin, Path(f"{self._admin}.fd"), self._config):
            remove(file)

    # --- orders ---------------------------------------------------------------------------------

    async def pulse(self) -> None:
        """Return when its loop has answered, however long that takes.

        One that cannot be reached has ended, or is about to: its exit tells.
        """
        with contextlib.suppress(OSError, EOFError):
            await self._pulses.ask()

    async def reload(self) -> int:
        """The sequence of the snapshot that it routes by from now on."""
        return (await self._call("POST", "/reload", dict[str, int])).get("sequence", -1)

    async def accept(self) -> None:
        """It accepts from now on."""
        await self._call("POST", "/accept", dict[str, bool])
        self.waits = False

    async def drain(self) -> int:
        """It accepts nobody from now on; how many connections it still has."""
        return (await self._call("POST", "/drain", dict[str, int])).get("open", 0)

    async def about(self) -> About:
        """What it says of itself."""
        return await self._call("GET", "/stats", About)

    async def history(self, cursor: str, *, seal: bool = False) -> History:
        """The seconds after `cursor`; with `seal` up to now.  Raises Unavailable."""
        query = {"after": cursor} | ({"seal": "1"} if seal else {})
        try:
            return await self._call("GET", "/history", History, query)
        except NoAnswer as error:
            raise Unavailable(
                "The gateway does not answer now.", "Try again in a moment."
            ) from error

    async def sight(self) -> Sight | None:
        """What waits and what is at work, or None while it does not answer."""
        try:
            said = await self._call("GET", "/load", _Load)
        except NoAnswer:
            return None
        work = {(name, version): Work(n, busy) for name, version, n, busy in said.versions}
        return Sight(said.pid, said.at, work)

    async def asked_at(self) -> dict[str, float]:
        """When it asked each replica that has not answered (monotonic), by the replica's id."""
        try:
            async with asyncio.timeout(_ASKED_SECONDS):
                return (await self._call("GET", "/load", _Load)).asked
        except (NoAnswer, TimeoutError):
            return {}

    async def _call(
        self, method: str, path: str, answer: type[_T], query: dict[str, str] | None = None
    ) -> _T:
        starved = self._starved_seconds()
        try:
            response = await self._http.request(method, path, params=query)
            return msgspec.json.decode(response.raise_for_status().content, type=answer)
        except httpx.ReadTimeout as error:
            silent = self._starved_seconds() - starved <= SILENT_SECONDS / 2
            raise NoAnswer(f"no answer within {SILENT_SECONDS:g} s", silent=silent) from error
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error

    def _starved_seconds(self) -> float:
        return 0.0 if self.process is None else process_state.starved_seconds(self.process.pid)


async def adopted(
    turns: Sequence[GatewayProcess], living: Mapping[str, tuple[int, float]]
) -> tuple[GatewayProcess, list[GatewayProcess], socket.socket] | None:
    """The one of `turns` that serves of what is `living`, others that do, and their socket.

    None where no socket is to be had: what there was has ended then, and the port is free again.
    """
    found = [one for one in turns if one.config in living]
    found = [one for one in found if one.adopt(*living[one.config])]
    found.sort(key=lambda one: living[one.config][1], reverse=True)
    lent = await asyncio.gather(*(one.borrow() for one in found))
    pairs = [(one, listener) for one, listener in zip(found, lent, strict=True) if listener]
    if not pairs:
        await asyncio.gather(*(one.dismiss() for one in found))
        return None
    serves, listener = pairs[0]
    for _, same in pairs[1:]:
        same.close()
    return serves, [one for one in found if one is not serves], listener


def _borrow(path: Path) -> socket.socket:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_LEND_SECONDS)
        connection.connect(str(path))
        _, descriptors, _, _ = socket.recv_fds(connection, 1024, 1)
    if not descriptors:
        raise OSError("no socket was handed over")
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - the standard library has it so
    return socket.socket(fileno=descriptors[0])
