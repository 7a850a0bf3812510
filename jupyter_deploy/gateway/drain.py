"""Handing over to another gateway on the same listening socket, so that no caller notices.

Rule 1: nothing is accepted and the socket is lent no more: whoever connects now is the other's.
Rule 2: a request that comes on an open connection is answered as ever, with `Connection: close`, so
that its caller's next one goes to the other.  Rule 3: a connection on which nothing has come for
QUIET_SECONDS is closed.  Not at once: a caller who sends at that very moment would get no answer,
and could not know whether the request was served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn

from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.protocol import Guard, GuardedProtocol

#: A caller with more to ask has most likely asked within this.
QUIET_SECONDS = 2.0


class Drain:
    """`begin` hands over what `server` accepts; `stop_lending` ends the lending of its socket."""

    def __init__(
        self,
        server: uvicorn.Server,
        guard: Guard,
        stop_lending: Callable[[], object],
        log: Log,
    ) -> None:
        self._server = server
        self._guard = guard
        self._stop_lending = stop_lending
        self._log = log

    @property
    def turned_away(self) -> int:
        """How many connections have been refused."""
        return self._guard.turned_away

    def begin(self) -> int:
        """Accept nothing from now on; how many connections are still open."""
        if not self._guard.draining:
            self._guard.draining = True
            self._log.info("gateway hands over")
            self._stop_lending()
            for listening in self._server.servers:
                listening.close()
            for connection in self._connections():
                connection.retire()
            asyncio.get_running_loop().call_later(QUIET_SECONDS, self._close_idle)
        return len(self._server.server_state.connections)

    def _close_idle(self) -> None:
        for connection in self._connections():
            if connection.idle:
                connection.transport.close()

    def _connections(self) -> Iterator[GuardedProtocol]:
        # A copy: a connection that is closed takes itself off.
        for connection in list(self._server.server_state.connections):
            yield cast("GuardedProtocol", connection)
