"""Who accepts the next connection, where several gateways wait at one socket.

The kernel wakes all of them, and the first to come would take whatever has queued up: of 64 callers
who connect together one gateway would get nearly all, for as long as they stay.  So each takes one
at a time, and one that has more than another leaves it to that other for a moment.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import socket
from collections.abc import Callable

from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.sharing.records import Records

#: A gateway with fewer connections that has not taken one within this is busy.
_LEAVE_SECONDS = 0.001
#: How long nothing is accepted when no descriptor is free.
_PAUSE_SECONDS = 0.1
_BACKLOG = 2048


class Shares:
    """How many connections each gateway has: what `set` was told last."""

    def __init__(self, records: Records, name: str) -> None:
        self._records = records
        self._place = records.make(hashlib.sha256(name.encode()).digest(), (0.0, 0.0))
        self._left = False
        self.set(0)

    def set(self, connections: int) -> None:
        """This gateway has so many now.  Nobody else writes here."""
        if not self._left:
            self._records.change(self._place, connections)

    def leave(self) -> None:
        """This gateway accepts no more: nobody leaves anything to it."""
        self._left = True
        self._records.change(self._place, math.inf)

    @property
    def too_many(self) -> bool:
        """Whether another gateway has fewer."""
        own = self._records.state(self._place)[0]
        return any(self._records.state(place)[0] < own for place in self._records.places())


class Acceptor:
    """Accepts on `listener` until closed; `protocol` makes what answers on a connection."""

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol], shares: Shares,
        log: Log,
    ) -> None:  # fmt: skip
        self._listener = listener
        self._protocol = protocol
        self._shares = shares
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        listener.setblocking(False)  # noqa: FBT003 - the standard library has it so
        listener.listen(_BACKLOG)
        self._wait()

    def close(self) -> None:
        """Accept nothing any more; connections stay."""
        self._shares.leave()
        self._loop.remove_reader(self._listener)
        if self._timer is not None:
            self._timer.cancel()

    async def wait_closed(self) -> None:
        """Return once who had been accepted has a connection."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _wait(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listener, self._ready)

    def _ready(self) -> None:
        if self._shares.too_many:
            self._loop.remove_reader(self._listener)
            self._timer = self._loop.call_later(_LEAVE_SECONDS, self._take)
        else:
            self._accept()

    def _take(self) -> None:
        self._wait()
        self._accept()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another gateway was quicker, or the caller has gone
        except OSError as error:
            self._log.warning("cannot accept", error=error.strerror)
            self._loop.remove_reader(self._listener)
            self._timer = self._loop.call_later(_PAUSE_SECONDS, self._wait)
            return
        connection.setblocking(False)  # noqa: FBT003 - the standard library has it so
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        work = self._loop.connect_accepted_socket(self._protocol, connection)
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
