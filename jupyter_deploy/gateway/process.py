"""The gateway's process: two HTTP servers and the lending of the socket, in one event loop.

Life: routes are read -> both servers listen -> SIGTERM -> no more connections are accepted, what is
in flight ends (`drain_seconds` at most) -> exit 0.  One that another takes over from is drained
first (drain.py).  The supervisor holds the listening socket too, so that callers who come while no
gateway runs wait in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from jupyter_deploy.gateway.admin import Admin, lend_socket, private_socket
from jupyter_deploy.gateway.app import Gateway
from jupyter_deploy.gateway.config import GatewayConfig
from jupyter_deploy.gateway.drain import Drain
from jupyter_deploy.gateway.errorlog import ErrorLog
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.memory import OpenBytes
from jupyter_deploy.gateway.pages import Pages
from jupyter_deploy.gateway.protocol import Guard, GuardedProtocol, most_connections
from jupyter_deploy.gateway.routes import Routes

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_SWITCH_SECONDS = 0.001


class _Server(uvicorn.Server):
    """A uvicorn server whose signals are handled here, for both servers at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: GatewayConfig, log: Log) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    listener = socket.socket(fileno=config.fd)
    errors = ErrorLog(Path(config.errors), log)
    routes = Routes(errors.write, log)
    gateway = Gateway(routes, Pages(routes).app, log, OpenBytes(config.open_bytes))
    most = config.most_connections or most_connections()
    guard = Guard(config.head_seconds, _KEEP_ALIVE_SECONDS, most, gateway)
    public_server = _server(gateway, config, guard)
    admin_socket, lending = (private_socket(Path(p)) for p in (config.admin, f"{config.admin}.fd"))
    loop = asyncio.get_running_loop()
    lender = loop.create_task(lend_socket(listener, lending))
    lender.add_done_callback(lambda _: lending.close())
    drain = Drain(public_server, guard, lender.cancel, log)
    admin = Admin(routes, Path(config.snapshot), drain, log)
    admin.reload()
    admin_guard = Guard(config.head_seconds, _KEEP_ALIVE_SECONDS, most_connections())
    admin_server = _server(admin.app, config, admin_guard)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, (public_server, admin_server), log)
    # What is loaded now stays, and requests make no cycles: the collector has little to find.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    # The loop gets its turn soon while a large body is decoded in a thread.
    sys.setswitchinterval(_SWITCH_SECONDS)
    log.info("gateway serves", port=listener.getsockname()[1])
    try:
        # uvicorn closes its sockets when it stops; the lender's own stays open until the end.
        await asyncio.gather(
            public_server.serve(sockets=[listener.dup()]),
            admin_server.serve(sockets=[admin_socket]),
        )
    finally:
        lender.cancel()
        _close(listener, lending, config)
    log.info("gateway stopped")


def _server(app: Any, config: GatewayConfig, guard: Guard) -> _Server:
    # uvicorn only calls it.
    protocol = cast("type[asyncio.Protocol]", partial(GuardedProtocol, guard=guard))
    return _Server(
        uvicorn.Config(
            app,
            loop="none",  # the loop runs already
            http=protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # whoever calls is who holds the key, not who a header says
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(config.drain_seconds),
        )
    )


def _stop(servers: tuple[_Server, ...], log: Log) -> None:
    log.info("gateway drains")
    for server in servers:
        server.should_exit = True


def _close(listener: socket.socket, lending: socket.socket, config: GatewayConfig) -> None:
    listener.close()
    lending.close()
    for path in (config.admin, f"{config.admin}.fd"):
        Path(path).unlink(missing_ok=True)
