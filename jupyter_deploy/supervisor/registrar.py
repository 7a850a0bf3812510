"""The registrar: has MLflow say what is so, whenever MLflow can be reached.

Rule 1: level-triggered: what is sent is the present truth of an endpoint, never a difference, so a
lost or repeated order does no harm.  Rule 2: an endpoint is sent until MLflow has its generation;
the store remembers which it has.  Rule 3: nothing ever waits for this.  Rule 4: MLflow lives in a
process of its own, which is ended when there is nothing to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from jupyter_deploy.core import lifecycle
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.processes import environment
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import State, Version
from jupyter_deploy.supervisor.store import Store, writing

_log = logging.getLogger(__name__)

#: An order may wait for a slow tracking server; a process that hangs is ended after this.
_ORDER_SECONDS = 120.0
#: Long enough for the next change of somebody who is at work, short enough to give memory back.
_IDLE_SECONDS = 20.0
_END_SECONDS = 3.0
_MLFLOW_VARIABLES = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_")

Order = dict[str, Any]


def orders(state: State, endpoint: str) -> list[Order]:
    """The truth of an endpoint, one order for each registered model (there is usually one)."""
    versions = [one for one in state.versions_of(endpoint) if one.fate != "starting"]
    models: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in versions:
        registered = version.manifest.registered
        models[registered.tracking_uri, registered.name].append(version)
    return [_order(state, endpoint, uri, name, own) for (uri, name), own in models.items()]


def _order(state: State, endpoint: str, uri: str, name: str, versions: list[Version]) -> Order:
    traffic = state.endpoint(endpoint).traffic
    aliases = {"active": traffic.active, "standby": traffic.standby}
    number = {one.version: one.manifest.registered.version for one in versions}
    return {
        "tracking_uri": uri,
        "name": name,
        "aliases": {alias: number[one] for alias, one in aliases.items() if one in number},
        "tags": {
            one.manifest.registered.version: {
                "jupyter_deploy.version": one.version,
                "jupyter_deploy.state": state.state_of(one).value,
            }
            for one in versions
        },
    }


class Registrar:
    """Sends what MLflow does not know yet.  `run` works until cancelled."""

    def __init__(self, settings: Settings, store: Store, jitter: Callable[[], float]) -> None:
        self._settings = settings
        self._store = store
        self._jitter = jitter
        self._work = asyncio.Event()
        self._work.set()
        self._process: asyncio.subprocess.Process | None = None
        self._failures = 0
        self._last_id = 0

    @property
    def pending(self) -> int:
        """How many endpoints MLflow does not show as they are."""
        return len(self._unregistered())

    def _unregistered(self) -> list[str]:
        every = self._store.state.endpoints.values()
        return [one.name for one in every if one.registered < one.generation]

    def changed(self) -> None:
        """An endpoint has changed."""
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled; what fails is tried again, later each time."""
        try:
            while True:
                await self._until_work()
                self._work.clear()
                if not await self._send_all():
                    await self._back_off()
        finally:
            # No time for what is under way: the next supervisor sends it again.
            await self.close(0.0)

    async def _until_work(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS if self._process else None):
                await self._work.wait()
        except TimeoutError:
            await self.close()
            await self._work.wait()

    async def _back_off(self) -> None:
        self._failures += 1
        # Eight doublings on: a tracking server that is away is asked every half minute at most.
        wait = lifecycle.delay(self._failures + 4, self._jitter())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0 + wait):
                await self._work.wait()
        self._work.set()

    async def _send_all(self) -> bool:
        for name in self._unregistered():
            generation = self._store.state.endpoint(name).generation
            try:
                for order in orders(self._store.state, name):
                    await self._send(order)
                await self._store.change(
                    lambda connection, n=name, g=generation: writing.registered(connection, n, g)  # type: ignore[misc]
                )
            except (OSError, ValueError, StateUnavailable) as error:
                _log.warning("MLflow does not show %s as it is: %s", name, error)
                await self.close()
                return False
        self._failures = 0
        return True

    async def _send(self, order: Order) -> None:
        """Send one order and wait for its answer.  Raises OSError or ValueError."""
        if self._process is None or self._process.returncode is not None:
            self._process = await self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._last_id += 1
        line = json.dumps(order | {"id": str(self._last_id)}).encode() + b"\n"
        self._process.stdin.write(line)
        async with asyncio.timeout(_ORDER_SECONDS):
            await self._process.stdin.drain()
            answer = json.loads(await self._process.stdout.readline() or b"{}")
        if not answer.get("ok"):
            raise OSError(str(answer.get("error", "the registrar has ended"))[:500])

    async def _start(self) -> asyncio.subprocess.Process:
        log = os.open(
            self._settings.logs / "registry.log",
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "jupyter_deploy.registry",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._settings.processes,
                env=environment(mlflow_environment()),
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def close(self, seconds: float = _END_SECONDS) -> None:
        """End the process, at the latest in `seconds`."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            _log.info("the registrar is busy, and is killed")
        finally:
            # Whatever interrupts this wait, no process is left.
            if process.returncode is None:
                process.kill()
                await process.wait()


def mlflow_environment() -> dict[str, str]:
    """What MLflow reads from the environment: where it is and how to get in."""
    return {name: value for name, value in os.environ.items() if name.startswith(_MLFLOW_VARIABLES)}
