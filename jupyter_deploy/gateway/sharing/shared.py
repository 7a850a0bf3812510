"""The files in which gateways share what they share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from jupyter_deploy.core.limits import Rate
from jupyter_deploy.gateway.admission import Bucket, own_bucket
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.sharing.buckets import SharedBucket
from jupyter_deploy.gateway.sharing.connections import Acceptor, Shares
from jupyter_deploy.gateway.sharing.counts import SharedCounts
from jupyter_deploy.gateway.sharing.poison import SharedPoison
from jupyter_deploy.gateway.sharing.records import Records


class Shared:
    """What the gateway `name`, one of `processes`, shares in `folder`.  Raises OSError."""

    def __init__(self, folder: Path, name: str, processes: int, log: Log) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.processes = processes
        self._limits = Records(folder / "limits")
        self._poison = Records(folder / "poison")
        self._log = log
        self.shares = Shares(Records(folder / "connections"), name)
        self.counts = SharedCounts(folder, name, log)

    def bucket(self, key_id: str, rate: Rate, now: float) -> Bucket:
        """The bucket of a key; one of this process alone where none can be written."""
        try:
            return SharedBucket(self._limits, key_id, rate, now)
        except OSError as error:
            self._log.warning("limit not shared", key_id=key_id, error=error.strerror)
            return own_bucket(key_id, rate, now)

    def accept(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> Acceptor:
        """Accept on `listener`, taking turns with the others."""
        return Acceptor(listener, protocol, self.shares, self._log)

    def ledger(self, endpoint: str, version: str) -> SharedPoison:
        """The requests that a version refuses."""
        return SharedPoison(self._poison, f"{endpoint} {version}")
