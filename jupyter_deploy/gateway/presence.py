"""How a supervisor finds this gateway: its admin socket, and the one at which it lends.

Rule: what somebody has removed is put back with the next heartbeat.  Who is connected would not
notice; but the next supervisor would find nobody, and end this gateway with all whom it serves.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.gateway.admin import private_socket
from jupyter_deploy.gateway.lending import Lender
from jupyter_deploy.gateway.log import Log


@dataclass(frozen=True, slots=True)
class Presence:
    """The sockets at `admin` and `lending`; `listen` takes orders at one more."""

    admin: Path
    lending: Path
    listen: Callable[[socket.socket], Awaitable[None]]
    lender: Lender
    log: Log

    async def put_back(self) -> None:
        """Make what is missing anew; what cannot be now is tried with the next heartbeat."""
        with contextlib.suppress(OSError):
            if not self.admin.exists():
                await self.listen(private_socket(self.admin))
                self.log.warning("the admin socket was removed; there is another one")
            if not self.lending.exists():
                self.lender.move(private_socket(self.lending))
                self.log.warning("the lender's socket was removed; there is another one")
