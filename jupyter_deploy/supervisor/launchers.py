"""Launchers: one warm process for each environment, from which its replicas are forked.

Rule 1: a replica needs no launcher: where there is none yet, where a fork is not safe, or where it
does not answer, the replica is started plainly and only takes longer.  Rule 2: a living launcher of
an earlier supervisor is used again, and one that nobody could use is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jupyter_deploy.client.files import remove
from jupyter_deploy.client.process_start import started_at
from jupyter_deploy.client.process_state import is_stopped
from jupyter_deploy.replica.launcher import ENVIRONMENT
from jupyter_deploy.supervisor import processes
from jupyter_deploy.supervisor.processes import Order, Process, Reaped, environment
from jupyter_deploy.supervisor.settings import Settings

_log = logging.getLogger(__name__)

_MODULE = "jupyter_deploy.replica.launcher"
#: What replicas of tabular models import; what an environment does not have is left out.
MODULES = (
    "numpy", "pandas", "cloudpickle", "skops.io", "scipy.sparse", "sklearn.pipeline",
    "sklearn.compose", "sklearn.impute", "sklearn.preprocessing", "sklearn.linear_model",
    "sklearn.ensemble", "sklearn.tree", "sklearn.neighbors", "sklearn.svm", "sklearn.calibration",
    "sklearn.feature_extraction.text", "sklearn.cluster", "sklearn.decomposition",
)  # fmt: skip
_WARM_SECONDS = 60.0
_FORK_SECONDS = 5.0
_LOOK_SECONDS = 0.02


@dataclass(eq=False, slots=True)
class _Launcher:
    """One launcher and the connection to it."""

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    replies: deque[asyncio.Future[dict[str, Any]]] = field(default_factory=deque)
    ends: dict[int, asyncio.Future[Reaped]] = field(default_factory=dict)
    listening: asyncio.Task[None] | None = None

    @property
    def stopped(self) -> bool:
        """Whether a signal holds it, so that nobody is answered."""
        return self.process.alive and is_stopped(self.process.pid)

    async def listen(self) -> None:
        """Hand on what it says, until it says no more."""
        with contextlib.suppress(OSError, ValueError):
            while line := await self.reader.readline():
                self._hear(json.loads(line))
        for reply in self.replies:
            reply.cancel()

    def _hear(self, said: dict[str, Any]) -> None:
        if "exited" in said:
            end = self.ends.pop(said["exited"], None)
            if end is not None and not end.done():
                status = os.waitstatus_to_exitcode(said["status"])
                end.set_result(Reaped(status, said.get("peak_bytes")))
            return
        reply = self.replies.popleft()
        if reply.done():
            # It was given up, and the replica was started plainly: there would be two of it.
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(said["pid"], signal.SIGKILL)
            return
        if "pid" in said:
            # Made here, before the next line can tell that it has ended.
            self.ends[said["pid"]] = asyncio.get_running_loop().create_future()
        reply.set_result(said)

    async def fork(self, order: Order) -> dict[str, Any]:
        """Its answer to an order.  Raises OSError (TimeoutError is one)."""
        told = {
            "spec": order.argv[-1],
            "log": str(order.log),
            "environment": dict(order.environment),
        }
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.replies.append(reply)
        self.writer.write(json.dumps(told).encode() + b"\n")
        try:
            async with asyncio.timeout(_FORK_SECONDS):
                return await reply
        except asyncio.CancelledError:
            if reply.cancelled():
                raise OSError("the launcher has ended") from None
            raise


class Launchers:
    """Starts replicas, warm where that is possible."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._launchers: dict[Path, asyncio.Task[_Launcher | None]] = {}
        self._for_later: set[Path] = set()

    async def adopt(self, replicas: Collection[tuple[int, float]]) -> None:
        """End what an earlier supervisor has left stopped, or half-warm; the others are kept.

        `replicas`, (pid, start), have the arguments of the launcher that has forked them.
        """
        useful = {await _pid_at(path) for path in self._settings.run.glob("l*.sock")}
        for pid, started in await asyncio.to_thread(processes.running, _MODULE, self._settings.run):
            if (pid, started) in replicas or (pid in useful and not is_stopped(pid)):
                continue
            process = Process.adopt(pid, started)
            if process is not None:
                _log.info("a launcher (pid %d) that nobody could use is ended", pid)
                process.kill()

    def warm(self, python: str, extra: Mapping[str, str], *, for_later: bool = False) -> None:
        """Have a launcher for this environment soon; no start waits for one that is `for_later`."""
        variables = environment(extra)
        path = self._path(python, variables)
        task = self._launchers.get(path)
        if task is None or _is_over(task):
            self._keep(path, self._make(path, python, variables))
            self._for_later.add(path)
        if not for_later:
            self._for_later.discard(path)

    async def start(self, order: Order, pools: Mapping[str, str]) -> Process:
        """Start the replica of `order`: forked, or plainly.  Raises OSError.

        `pools` are variables that it gets unless its owner has set them; a library that the
        launcher has imported keeps its one thread.
        A launcher that is being warmed for it is waited for; where none is, importing what this
        model needs is sooner done than importing what any might need.
        """
        launcher = await self._ready(self._path(order.argv[0], order.environment))
        order = replace(order, environment={**pools, **order.environment})
        if launcher is not None and launcher.process.alive and not launcher.stopped:
            with contextlib.suppress(OSError):
                said = await launcher.fork(order)
                if "pid" in said:
                    return _forked(launcher, said["pid"])
                _log.info("a replica is started plainly: %s", said.get("refused"))
        if launcher is not None and launcher.stopped:
            _log.warning("the launcher (pid %d) is stopped, and is ended", launcher.process.pid)
            launcher.process.kill()
        return Process.start(order)

    async def _ready(self, path: Path) -> _Launcher | None:
        """The launcher there is, once it is warm; one of an earlier supervisor, too."""
        task = self._launchers.get(path)
        if task is not None:
            later = path in self._for_later and not task.done()
            return None if later else await asyncio.shield(task)
        found = await _connected(path)
        if found is not None and path not in self._launchers:
            self._keep(path, _as_it_is(found))
        return found

    async def leave(self) -> None:
        """End the launchers that this supervisor has used; their replicas go on."""
        for task in self._launchers.values():
            task.cancel()
        for ended in await asyncio.gather(*self._launchers.values(), return_exceptions=True):
            if isinstance(ended, _Launcher):
                await _end(ended)

    async def close(self) -> None:
        """End every launcher, those of earlier supervisors too.  Replicas must have ended."""
        await self.leave()
        # Only launchers are left now: one may have been left half-warm by a supervisor that died.
        for pid, started in await asyncio.to_thread(processes.running, _MODULE, self._settings.run):
            process = Process.adopt(pid, started)
            if process is not None:
                await process.end(2.0)
        for path in self._settings.run.glob("l*.sock"):
            remove(path)

    def _path(self, python: str, variables: Mapping[str, str]) -> Path:
        return self._settings.run / f"l{_digest(python, variables)}.sock"

    def _keep(
        self, path: Path, making: Coroutine[Any, Any, _Launcher | None]
    ) -> asyncio.Task[_Launcher | None]:
        task = asyncio.get_running_loop().create_task(making, name=f"launcher {path.name}")
        self._launchers[path] = task
        return task

    async def _make(
        self, path: Path, python: str, variables: Mapping[str, str]
    ) -> _Launcher | None:
        if sys.platform != "linux":
            return None
        launcher = await _connected(path)
        if launcher is not None:
            return launcher
        try:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - a local file
            process = Process.start(self._order(path, python, variables))
        except OSError as error:
            _log.warning("no launcher for %s: %s", python, error)
            return None
        return await _warmed(path, process)

    def _order(self, path: Path, python: str, variables: Mapping[str, str]) -> Order:
        return Order(
            argv=[python, "-m", _MODULE, str(path), *MODULES],
            environment={**variables, **ENVIRONMENT},
            folder=self._settings.processes,
            log=self._settings.logs / "launcher.log",
        )


async def _warmed(path: Path, process: Process) -> _Launcher | None:
    """The launcher that `process` becomes, or None; whatever interrupts this leaves no process."""
    launcher = None
    try:
        async with asyncio.timeout(_WARM_SECONDS):
            while process.alive and not path.exists():  # noqa: ASYNC110, ASYNC240 - a file has no event
                await asyncio.sleep(_LOOK_SECONDS)
        launcher = await _connected(path)
    except TimeoutError:
        _log.warning("the launcher %s has not become ready", path.name)
    finally:
        if launcher is None:
            process.kill()
    return launcher


async def _as_it_is(launcher: _Launcher) -> _Launcher:
    return launcher


async def _end(launcher: _Launcher | None) -> None:
    if launcher is not None:
        launcher.writer.close()
        await launcher.process.end(2.0)


async def _pid_at(path: Path) -> int | None:
    """Who listens at `path`."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_unix_connection(str(path))
        with contextlib.closing(writer):
            return _peer(writer.get_extra_info("socket"))
    return None


async def _connected(path: Path) -> _Launcher | None:
    """The launcher that listens at `path`, if one does."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return None
    pid = _peer(writer.get_extra_info("socket"))
    process = Process.adopt(pid, started_at(pid) or -1.0)
    if process is None:
        writer.close()
        return None
    launcher = _Launcher(process, reader, writer)
    launcher.listening = asyncio.get_running_loop().create_task(launcher.listen(), name="listen")
    return launcher


def _forked(launcher: _Launcher, pid: int) -> Process:
    # Its entry stays in the process table until the launcher has reaped it; when that was faster
    # than we are, there is no start time left, and its end is known already.
    return Process(pid, started_at(pid) or -1.0, None, reaped=launcher.ends.get(pid))


def _is_over(task: asyncio.Task[_Launcher | None]) -> bool:
    if not task.done():
        return False
    launcher = task.result()
    return launcher is not None and not launcher.process.alive


def _digest(python: str, variables: Mapping[str, str]) -> str:
    text = json.dumps([python, sorted(variables.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _peer(connection: socket.socket) -> int:
    """The pid at the other end of a Unix socket (Linux)."""
    size = struct.calcsize("3i")
    pid, _, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(pid)
