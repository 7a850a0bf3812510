"""Requests that replicas have died with, each time alone (flight.py): refused for a while.

Only digests are kept.
"""

from __future__ import annotations

from typing import Protocol

REFUSED_SECONDS = 600.0
_MOST = 1000


class Ledger(Protocol):
    """The requests that one version refuses."""

    def __bool__(self) -> bool:
        """Whether there may be any."""

    def add(self, digest: bytes, now: float) -> None:
        """Refuse `digest` from now on."""

    def holds(self, digest: bytes, now: float) -> bool:
        """Whether `digest` is refused at `now`."""


class PoisonLedger:
    """Digests of bodies, each with the time until which it is refused (monotonic)."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def __bool__(self) -> bool:
        return bool(self._until)

    def add(self, digest: bytes, now: float) -> None:
        """Refuse `digest` from now on.  When the ledger is full, the oldest entry goes."""
        while len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[digest] = now + REFUSED_SECONDS

    def holds(self, digest: bytes, now: float) -> bool:
        """Whether `digest` is refused at `now`."""
        until = self._until.get(digest)
        if until is None or now < until:
            return until is not None
        del self._until[digest]
        return False
