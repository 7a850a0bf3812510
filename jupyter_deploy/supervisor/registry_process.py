"""The process that holds MLflow, for the supervisor: one order, one answer.

Rule 1: it is started by the first order and ended by `close`, because MLflow takes 150 MB.
Rule 2: one order at a time; whoever comes meanwhile waits.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from jupyter_deploy.supervisor.processes import environment
from jupyter_deploy.supervisor.settings import Settings

_log = logging.getLogger(__name__)

#: An order may wait for a slow tracking server; a process that hangs is ended after this.
_ORDER_SECONDS = 120.0
_END_SECONDS = 3.0
#: The metrics of all versions of an endpoint are one line, and so are all registered models.
_LONGEST_ANSWER = 1 << 26
#: MLflow itself would try for minutes; whoever sends an order tries again later.
_SOON_TOLD = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
_MLFLOW_VARIABLES = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_")

Order = dict[str, Any]


class RegistryProcess:
    """`send` orders to it; `close` ends it, and the next order starts it again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._last_id = 0

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    async def send(self, order: Order) -> dict[str, Any]:
        """The answer to `order`.  Raises OSError or ValueError, and then the process has ended."""
        async with self._lock:
            try:
                return await self._send(order)
            except BaseException as error:
                # Whoever gives an order up is about to leave, and MLflow takes seconds to import.
                given_up = isinstance(error, asyncio.CancelledError)
                await self._close(0.0 if given_up else _END_SECONDS)
                raise

    async def _send(self, order: Order) -> dict[str, Any]:
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
            raise OSError(str(answer.get("error", "the registry's process has ended"))[:500])
        return dict(answer)

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
                limit=_LONGEST_ANSWER,
                cwd=self._settings.processes,
                env=environment(_SOON_TOLD | mlflow_environment()),
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def close(self, seconds: float = _END_SECONDS) -> None:
        """End the process, at the latest in `seconds`, unless it has work."""
        if seconds == 0.0 or not self._lock.locked():
            await self._close(seconds)

    async def _close(self, seconds: float) -> None:
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
