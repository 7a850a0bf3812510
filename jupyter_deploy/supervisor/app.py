"""The process: configuration, the lock, the control socket, signals.

Rule 1: one supervisor for each JUPYTER_DEPLOY_HOME; a second one finds the lock taken and ends with
status 0, or has the first one hand over.  Rule 2: one that has handed over ends when its successor
serves, and goes on when that has died before.  Rule 3: supervisor.json is written when the control
API answers, and removed before it stops to; one that hands over leaves it.  Rule 4: environment
wins over jupyter_deploy_config.py, which wins over defaults.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from jupyter_core.application import JupyterApp
from traitlets import Bool, Float, Int, TraitError, Unicode, validate

from jupyter_deploy import __version__, failpoints
from jupyter_deploy.client import paths
from jupyter_deploy.client.discovery import TAKE_OVER
from jupyter_deploy.client.files import raise_limit, remove
from jupyter_deploy.client.hung import TELL
from jupyter_deploy.client.identity import Supervisor as Identity
from jupyter_deploy.client.process_start import own_start
from jupyter_deploy.errors import DeployError, StateUnavailable
from jupyter_deploy.supervisor import logs
from jupyter_deploy.supervisor.api import build
from jupyter_deploy.supervisor.presence import Presence, control_socket
from jupyter_deploy.supervisor.service import Supervisor
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.succession import Lock, Successor, goes_on, take_over

_log = logging.getLogger(__name__)
#: Requests that wait for news get so long to be answered when the supervisor stops.
_LAST_ANSWERS_SECONDS = 1


class SupervisorApp(JupyterApp):  # type: ignore[misc]
    """The supervisor's configuration: `c.SupervisorApp.port = 8900` in jupyter_deploy_config.py."""

    name = "jupyter_deploy"
    version = __version__
    description = "Keeps gateway and replicas of jupyter_deploy as they should be."

    port = Int(8900, min=0, max=65535, help="The port of the API; JUPYTER_DEPLOY_PORT wins.").tag(
        config=True
    )
    gateway_processes = Int(
        1, min=1, max=64, help="How many processes answer on the port: one core each at most."
    ).tag(config=True)
    ip = Unicode("127.0.0.1", help="The address of the API: a loopback address.").tag(config=True)
    tracking_uri = Unicode(
        "", help="MLflow's tracking URI; MLFLOW_TRACKING_URI wins; empty: SQLite in the home."
    ).tag(config=True)
    replicas = Int(1, min=1, max=64, help="Replicas of a version, where none are asked for.").tag(
        config=True
    )
    standby_warm = Bool(
        default_value=True, help="Keep the version before running, for rollbacks at once."
    ).tag(config=True)
    start_seconds = Float(180.0, min=1.0, help="How long a model may take to load.").tag(
        config=True
    )
    timeout_seconds = Float(30.0, min=0.1, help="How long a request may take.").tag(config=True)
    drain_seconds = Float(30.0, min=0.0, help="How long what is in flight may go on.").tag(
        config=True
    )

    scale_down_seconds = Float(
        300.0, min=1.0, help="How long the load must stay low before replicas are stopped."
    ).tag(config=True)

    @validate("ip")
    def _loopback_only(self, proposal: dict[str, Any]) -> str:
        try:
            loopback = ipaddress.IPv4Address(proposal["value"]).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise TraitError(
                f"The API is not bound to {proposal['value']!r}: without TLS, keys would travel in "
                "the clear. Leave SupervisorApp.ip at 127.0.0.1."
            )
        return str(proposal["value"])

    #: Have a supervisor that runs hand over, in place of leaving it alone.
    takes_over = False

    def migrate_config(self) -> None:
        """Nothing: there is no configuration of IPython 3 to take over."""

    def start(self) -> None:
        """Run until stopped."""
        super().start()
        os.umask(0o077)
        raise_limit()
        try:
            settings = self.settings()
            settings.make_folders()
            with Lock(settings.home / "supervisor.lock") as lock:
                if lock.take() or (self.takes_over and take_over(lock)):
                    _run(settings, lock)
                else:
                    _log.info("another supervisor runs for %s", settings.home)
        except DeployError as error:
            _log.critical("%s", error)
            sys.exit(1)

    def settings(self) -> Settings:
        """Traits and environment, as one value.  Raises StateUnavailable."""
        home = paths.home()
        default = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
        return Settings(
            home=home,
            run=paths.run_folder(home),
            ip=self.ip,
            port=_port(self.port),
            gateway_processes=self.gateway_processes,
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri or default,
            replicas=self.replicas,
            standby_warm=self.standby_warm,
            start_seconds=self.start_seconds,
            timeout_seconds=self.timeout_seconds,
            drain_seconds=self.drain_seconds,
            scale_down_seconds=self.scale_down_seconds,
        )


def main() -> None:
    """The program."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Where its loop hangs, whoever ends it asks for this first (client/hung.py).
    faulthandler.register(TELL)
    # One line for each of our own orders to the gateway would fill the log.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    arguments = sys.argv[1:]
    SupervisorApp.takes_over = TAKE_OVER in arguments
    SupervisorApp.launch_instance([word for word in arguments if word != TAKE_OVER])


def _port(configured: int) -> int:
    text = os.environ.get("JUPYTER_DEPLOY_PORT", "")
    if not text:
        return configured
    if not text.isdecimal() or int(text) > 65535:
        raise StateUnavailable(f"JUPYTER_DEPLOY_PORT is {text[:20]!r}.", "Set it to a port: 8900.")
    return int(text)


def _run(settings: Settings, lock: Lock) -> None:
    """Until it is stopped, or a successor serves."""
    successor = uvloop.run(_serve(settings, lock))
    while successor is not None and goes_on(successor, lock, _identity(settings)):
        _log.warning("the supervisor that was to take over (pid %d) has died", successor.pid)
        successor = uvloop.run(_serve(settings, lock, died=successor))


def _identity(settings: Settings) -> Path:
    return settings.home / "supervisor.json"


async def _serve(settings: Settings, lock: Lock, died: Successor | None = None) -> Successor | None:
    """Serve until told to end; who takes over what runs then, or None when nothing does.

    `died` is one that was to, and has not come so far.
    """
    failpoints.reach("supervisor locked")
    supervisor = Supervisor(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stopping.set)
    logs.cap(settings.logs)
    await supervisor.start()
    failpoints.reach("supervisor started")
    if died is not None:
        supervisor.upgrades.note_failure(died.pid)
    identity = _identity(settings)
    server = _Server(build(supervisor))
    serving = asyncio.create_task(server.serve(sockets=[control_socket(settings.socket)]))
    itself = Identity(os.getpid(), own_start(), str(settings.socket), __version__)
    try:
        itself.write(identity)
    except OSError as error:
        # What runs has been taken over, and is watched; `Presence` tries again.
        _log.warning("%s cannot be written now: %s", identity, error.strerror)
    _log.info("serving %s, state in %s", supervisor.gateways.url, settings.home)
    presence = Presence(itself, identity, server.listen, lock, supervisor.lose)
    present = asyncio.create_task(presence.run())
    await supervisor.stopping.wait()
    present.cancel()
    if not supervisor.leaving:
        remove(identity)
    server.end.set()
    await serving
    if supervisor.leaving:
        await supervisor.leave()
        return supervisor.successor
    remove(settings.socket)
    await supervisor.stop()
    with contextlib.suppress(OSError):
        settings.run.rmdir()
    return None


class _Server(uvicorn.Server):
    """Serves the control API in our loop until `end` is set, and leaves signals to us."""

    def __init__(self, app: FastAPI) -> None:
        self.end = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
                server_header=False,
                date_header=False,
            )
        )

    async def main_loop(self) -> None:
        """Returns at the end.

        uvicorn looks for it ten times a second: a quarter of all that an idle supervisor did.
        """
        await self.on_tick(0)
        await self.end.wait()

    async def listen(self, listener: socket.socket) -> None:
        """Serve on one more socket, from now on to the end."""
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(self._protocol, sock=listener))

    def _protocol(self) -> asyncio.Protocol:
        protocol: Any = self.config.http_protocol_class
        made: asyncio.Protocol = protocol(self.config, self.server_state, self.lifespan.state)
        return made

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: the supervisor has its own way to end."""
        yield
