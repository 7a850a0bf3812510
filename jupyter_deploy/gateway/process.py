"""The gateway's process: two HTTP servers in one event loop, and the lending of the socket.

Life: routes are read -> the admin server listens -> the public one, at once or when told to (a
process that takes over from another) -> SIGTERM -> no more connections are accepted, what is
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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from jupyter_deploy.gateway.admin import Admin, private_socket
from jupyter_deploy.gateway.app import Gateway
from jupyter_deploy.gateway.config import GatewayConfig
from jupyter_deploy.gateway.drain import Drain
from jupyter_deploy.gateway.errorlog import ErrorLog
from jupyter_deploy.gateway.lending import Lender
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.memory import OpenBytes
from jupyter_deploy.gateway.pages import Pages
from jupyter_deploy.gateway.presence import Presence
from jupyter_deploy.gateway.protocol import Guard, GuardedProtocol, most_connections
from jupyter_deploy.gateway.routes import Routes
from jupyter_deploy.gateway.sharing.shared import Shared

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_SWITCH_SECONDS = 0.001
_DATE_SECONDS = 1.0


class _Server(uvicorn.Server):
    """A uvicorn server whose signals are handled here, for both servers at once.

    With `shared`, its socket is that of several gateways.
    """

    shared: Shared | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()

    def stop(self) -> None:
        """Accept nobody from now on, and end when what is in flight has ended."""
        self.should_exit = True
        self._end.set()

    async def main_loop(self) -> None:
        """Returns at the end; until then the date in the answers is that of this second.

        uvicorn looks at both ten times a second, and the gateway has two of these servers.
        """
        if not self.config.date_header:
            await self._end.wait()
        while not self._end.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._end.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept on `sockets`."""
        if self.shared is None or not sockets:
            await super().startup(sockets)
            return
        await super().startup([])
        # uvicorn, and whoever drains it, does nothing with these but to close them.
        accepting = (self.shared.accept(one, self._protocol()) for one in sockets)
        self.servers = cast("list[asyncio.Server]", list(accepting))

    async def listen(self, listener: socket.socket) -> None:
        """Accept on one more socket, from now on to the end."""
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(self._protocol(), sock=listener))

    def _protocol(self) -> Callable[[], asyncio.Protocol]:
        return partial(
            cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class),
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state,
        )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config: GatewayConfig, log: Log) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    listener = socket.socket(fileno=config.fd)
    errors = ErrorLog(Path(config.errors), log)
    shared = _shared(config, log)
    routes = Routes(errors.write, log, shared)
    open_bytes = OpenBytes(config.open_bytes // config.processes)
    gateway = Gateway(routes, Pages(routes).app, log, open_bytes)
    most = config.most_connections or most_connections()
    guard = Guard(config.head_seconds, _KEEP_ALIVE_SECONDS, most, gateway)
    public_server = _server(gateway, config, guard)
    if shared is not None:
        public_server.shared, guard.opened = shared, shared.shares.set
    admin_socket, lending = (private_socket(Path(p)) for p in (config.admin, f"{config.admin}.fd"))
    loop = asyncio.get_running_loop()
    accepting = asyncio.Event()
    if not config.waits:
        accepting.set()
    lender = Lender(listener, lending)
    drain = Drain(public_server, guard, lender.stop, log)
    admin = Admin(routes, Path(config.snapshot), accepting, drain, log, lambda: presence.put_back())
    admin.reload()
    admin_guard = Guard(config.head_seconds, _KEEP_ALIVE_SECONDS, most_connections())
    admin_guard.reserved = 0
    admin_server = _server(admin, config, admin_guard, dated=False)
    presence = Presence(
        Path(config.admin), Path(f"{config.admin}.fd"), admin_server.listen, lender, log
    )

    def stop() -> None:
        log.info("gateway drains")
        public_server.stop()
        admin_server.stop()
        accepting.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    teller = None if shared is None else await _tell(shared, routes)
    # What is loaded now stays, and requests make no cycles: the collector has little to find.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    # The loop gets its turn soon while a large body is decoded in a thread.
    sys.setswitchinterval(_SWITCH_SECONDS)
    log.info("gateway runs", port=listener.getsockname()[1], waits=config.waits)
    try:
        # uvicorn closes its sockets when it stops; the lender's own stays open until the end.
        await asyncio.gather(
            _serve_public(public_server, accepting, listener, lender),
            admin_server.serve(sockets=[admin_socket]),
        )
    finally:
        lender.stop()
        if teller is not None and shared is not None:
            teller.close()
            shared.counts.close(routes.counts())
        _close(listener, config)
    log.info("gateway stopped")


def _shared(config: GatewayConfig, log: Log) -> Shared | None:
    """What this gateway shares with others: nothing if it is alone, or cannot write."""
    if config.shared is None:
        return None
    try:
        return Shared(Path(config.shared), Path(config.admin).stem, config.processes, log)
    except OSError as error:
        log.warning("nothing is shared with other gateways", error=error.strerror)
        return None


async def _tell(shared: Shared, routes: Routes) -> asyncio.AbstractServer:
    """Tell other gateways what this one has counted, whenever they ask."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await shared.counts.told(routes.counts()))
        writer.close()

    return await asyncio.start_unix_server(answer, sock=private_socket(shared.counts.socket()))


async def _serve_public(
    server: _Server, accepting: asyncio.Event, listener: socket.socket, lender: Lender
) -> None:
    await accepting.wait()
    if not server.should_exit:
        lender.start()
        await server.serve(sockets=[listener.dup()])


def _server(app: Any, config: GatewayConfig, guard: Guard, *, dated: bool = True) -> _Server:
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
            date_header=dated,
            proxy_headers=False,  # whoever calls is who holds the key, not who a header says
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(config.drain_seconds),
        )
    )


def _close(listener: socket.socket, config: GatewayConfig) -> None:
    listener.close()
    for path in (config.admin, f"{config.admin}.fd"):
        Path(path).unlink(missing_ok=True)
