"""All gateways, and the listening socket that they share.

Rule 1: the supervisor holds the socket, so that a dead gateway refuses nobody: callers wait in the
kernel's one queue until a gateway accepts, whichever it is.  Rule 2: a change holds when all
gateways have said so.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Mapping

from jupyter_deploy.client.upgrades import UpgradedPart
from jupyter_deploy.core.scaling import Sight
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.gateway import Gateway
from jupyter_deploy.supervisor.gateway_process import Errands, GatewayProcess
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.processes import Process
from jupyter_deploy.supervisor.settings import Settings

#: How many ports after the one asked for are tried.
_PORTS = 100
_BACKLOG = 1024
_CONFIG = re.compile(r"gateway(?:-(\d+))?(-b)?\.json")


class Gateways:
    """`bind` or `adopt` gets the socket, `keep` the processes, `close` ends both."""

    def __init__(self, settings: Settings, journal: Journal, errands: Errands) -> None:
        self._settings = settings
        self._listener: socket.socket | None = None
        numbers = range(settings.gateway_processes)
        self._all = [Gateway(settings, journal, n, errands) for n in numbers]

    def processes(self) -> list[GatewayProcess]:
        """All that answer callers now, those that hand over to another too."""
        return [process for one in self._all for process in one.processes()]

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
        """The processes that there are now."""
        return tuple(one.pid for one in self._all if one.pid is not None)

    def bind(self, wanted: int) -> None:
        """Listen on `wanted`, or on the next free port.  Raises StateUnavailable."""
        # Nobody is there who shares anything; what is left may be of an earlier boot.
        shutil.rmtree(self._settings.shared, ignore_errors=True)
        self._listener = _listen(self._settings.ip, wanted)

    async def adopt(self, living: Mapping[str, tuple[int, float]]) -> bool:
        """Take over the gateways among `living`, with their socket; whether there were any."""
        for one in self._all:
            lent = await one.adopt(living)
            if self._listener is None:
                self._listener = lent
            elif lent is not None:
                lent.close()  # the same one
        if self._listener is None:
            self._listener = await self._lent_by_others(living)
        self._end_others(living)
        return self._listener is not None

    async def _lent_by_others(
        self, living: Mapping[str, tuple[int, float]]
    ) -> socket.socket | None:
        """The socket of gateways that are not wanted any more; one that keeps it is ended."""
        for name, found in living.items():
            match = _CONFIG.fullmatch(name)
            if match is None:
                continue
            one = GatewayProcess(self._settings, int(match[1] or 0), 1 if match[2] else 0)
            lent = await one.borrow() if one.adopt(*found) else None
            if lent is not None:
                return lent
            await one.dismiss()
        return None

    def _end_others(self, living: Mapping[str, tuple[int, float]]) -> None:
        """Ask gateways that are not wanted any more to finish what they have, and end."""
        wanted = {name for one in self._all for name in one.configs}
        for name, found in living.items():
            if _CONFIG.fullmatch(name) and name not in wanted:
                process = Process.adopt(*found)
                if process is not None:
                    process.terminate()
                    process.release()

    def keep(self) -> None:
        """Start the gateways that there are not, and each again whenever it ends."""
        assert self._listener is not None
        for one in self._all:
            one.keep(self._listener)

    async def serving(self) -> None:
        """Return once every gateway serves, or has had its time."""
        await asyncio.gather(*(one.serving() for one in self._all))

    async def reload(self, sequence: int) -> tuple[str, ...]:
        """Return once all route by snapshot `sequence` or a later one.

        The answer says which ones had to be replaced for it.  Raises Unavailable.
        """
        notes = await asyncio.gather(*(one.reload(sequence) for one in self._all))
        return tuple(note for note in notes if note)

    async def upgrade(self) -> AsyncIterator[UpgradedPart]:
        """Have processes of the code that is installed now take over, one after the other.

        Raises UpgradeFailed: that one and those after it are as they were.
        """
        for one in self._all:
            yield await one.upgrade()

    async def sights(self) -> list[Sight]:
        """What waits and what is at work everywhere; empty unless every gateway says it."""
        found = await asyncio.gather(*(one.sight() for one in self._all))
        sights = [sight for sight in found if sight is not None]
        return sights if len(sights) == len(self._all) else []

    async def asked_at(self) -> dict[str, float]:
        """Since when a gateway waits for the answer of a replica (monotonic), by its id."""
        since: dict[str, float] = {}
        for asked in await asyncio.gather(*(one.asked_at() for one in self.processes())):
            for replica, at in asked.items():
                since[replica] = min(at, since.get(replica, at))
        return since

    def leave(self) -> None:
        """The socket is the processes' own from now on, and the next supervisor's.

        Where none of them lends it, that one listens anew: at this port, if nobody else does.
        """
        if self._listener is not None:
            self._listener.close()

    async def close(self) -> None:
        """Stop accepting, finish what is in flight, end the processes, close the socket."""
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*(one.close() for one in self._all))
        shutil.rmtree(self._settings.shared, ignore_errors=True)


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
