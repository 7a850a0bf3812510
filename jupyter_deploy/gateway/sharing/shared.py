"""The files in which gateways share what they share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from jupyter_deploy.core.limits import Rate
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.sharing.buckets import SharedBucket
from jupyter_deploy.gateway.sharing.connections import Acceptor, Shares
from jupyter_deploy.gateway.sharing.counts import SharedCounts
from jupyter_deploy.gateway.sharing.poison import SharedPoison
from jupyter_deploy.gateway.sharing.records import Records


class Shared:
    """What the gateway `name` shares in `folder`, which is there.  Raises OSError."""

    def __init__(self, folder: Path, name: str, log: Log) -> None:
        self._limits = Records(folder / "limits")
        self._poison = Records(folder / "poison")
        self._log = log
        self.shares = Shares(Records(folder / "connections"), name)
        self.counts = SharedCounts(folder, name, log)

    def bucket(self, key_id: str, rate: Rate, now: float) -> SharedBucket:
        """The bucket of a key."""
        return SharedBucket(self._limits, key_id, rate, now)

    def accept(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> Acceptor:
        """Accept on `listener`, taking turns with the others."""
        return Acceptor(listener, protocol, self.shares, self._log)

    def ledger(self, endpoint: str, version: str) -> SharedPoison:
        """The requests that a version refuses."""
        return SharedPoison(self._poison, f"{endpoint} {version}")
