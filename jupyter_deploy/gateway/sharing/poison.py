"""Requests that have killed two replicas, refused by all gateways."""

from __future__ import annotations

import hashlib

from jupyter_deploy.gateway.dispatch.poison import REFUSED_SECONDS
from jupyter_deploy.gateway.sharing.records import Records


class SharedPoison:
    """A `PoisonLedger` of one version, kept in `records` for all gateways."""

    def __init__(self, records: Records, version: str) -> None:
        self._records = records
        self._version = version.encode()

    def __bool__(self) -> bool:
        return len(self._records) > 0

    def add(self, digest: bytes, now: float) -> None:
        """Refuse `digest` from now on."""
        until = now + REFUSED_SECONDS
        place = self._records.make(self._name(digest), (until, 0.0))
        # Whoever else refuses it does so for as long.
        self._records.change(place, until)

    def holds(self, digest: bytes, now: float) -> bool:
        """Whether `digest` is refused at `now`."""
        place = self._records.find(self._name(digest))
        return place is not None and now < self._records.state(place)[0]

    def _name(self, digest: bytes) -> bytes:
        return hashlib.sha256(self._version + b"\0" + digest).digest()
