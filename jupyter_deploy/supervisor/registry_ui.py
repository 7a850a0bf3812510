"""The MLflow UI: started on request, on loopback, and ended with the supervisor.

Rule: there is one for a home; one that a supervisor which died has left is taken over by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys

from jupyter_deploy.client.files import remove
from jupyter_deploy.client.models import RegistryUi
from jupyter_deploy.core.uris import without_password
from jupyter_deploy.errors import RegistryUnavailable
from jupyter_deploy.supervisor import logs
from jupyter_deploy.supervisor.processes import Order, Process, environment
from jupyter_deploy.supervisor.registry_process import mlflow_environment
from jupyter_deploy.supervisor.settings import Settings

#: MLflow imports for many seconds before it listens.
_START_SECONDS = 80.0
_TRY_SECONDS = 0.1
_IP = "127.0.0.1"


class RegistryUiProcess:
    """At most one UI; `open` starts it, `close` ends it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._port = 0
        self._note = settings.processes / "registry-ui.json"
        self._registry = without_password(settings.tracking_uri)

    def adopt(self) -> None:
        """Take over the one that an earlier supervisor has left; one of another registry ends."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(self._note.read_text())
            found = Process.adopt(int(said["pid"]), float(said["pid_started"]))
            if found is not None and said["registry"] != self._registry:
                found.kill()
                return
            self._process, self._port = found, int(said["port"])

    @property
    def url(self) -> str | None:
        """Where it is, when it runs."""
        alive = self._process is not None and self._process.alive
        return f"http://{_IP}:{self._port}" if alive else None

    async def open(self) -> RegistryUi:
        """The UI, once it listens.  Raises RegistryUnavailable."""
        uri = self._settings.tracking_uri
        if uri.startswith(("http://", "https://")):
            # A tracking server has its own.
            return RegistryUi(without_password(uri), 0)
        async with self._lock:
            await self._until_it_listens(uri)
            assert self._process is not None
            return RegistryUi(f"http://{_IP}:{self._port}", self._process.pid)

    async def _until_it_listens(self, uri: str) -> None:
        try:
            if self._process is None or not self._process.alive:
                self._process = self._start(uri)
            async with asyncio.timeout(_START_SECONDS):
                while self._process.alive and not await _listens(self._port):  # noqa: ASYNC110
                    await asyncio.sleep(_TRY_SECONDS)
        except OSError as error:
            await self.close()
            raise self._unavailable() from error
        if not self._process.alive:
            raise self._unavailable()

    def _start(self, uri: str) -> Process:
        self._port = _free_port()
        started = Process.start(self._order(uri))
        note = {"pid": started.pid, "pid_started": started.started, "port": self._port}
        # Where the disk is full, one that is left behind is not found again.
        with contextlib.suppress(OSError):
            self._note.write_text(json.dumps(note | {"registry": self._registry}))
        return started

    def _order(self, uri: str) -> Order:
        # One worker, because one person looks; each would hold some 200 MB.
        words = f"-m mlflow server --workers 1 --host {_IP} --port {self._port}"
        return Order(
            argv=[sys.executable, *words.split()],
            # The URI may hold a password: it goes by environment, not by argv.
            environment=environment(
                mlflow_environment()
                | {
                    "MLFLOW_BACKEND_STORE_URI": uri,
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                }
            ),
            folder=self._settings.home / "mlflow",
            log=self._settings.logs / "registry-ui.log",
        )

    def _unavailable(self) -> RegistryUnavailable:
        said = logs.last_lines(self._settings.logs / "registry-ui.log", 1)
        return RegistryUnavailable(
            f"The MLflow UI did not start: {said[0][:200] if said else 'it said nothing'}.",
            "logs/registry-ui.log says more.",
        )

    async def close(self) -> None:
        """End it."""
        if self._process is not None:
            await self._process.end(3.0)
            remove(self._note)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind((_IP, 0))
        return int(one.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_IP, port)
    except OSError:
        return False
    writer.close()
    return True
