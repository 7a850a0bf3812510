"""Routes: tells the gateways what is so, and returns when they route by it.

Rule 1: the snapshot is written whole or not at all, and its sequence only grows.  Rule 2: a change
that a person made is answered after the word of every gateway; a replica that came or went is
published soon after, many changes at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from jupyter_deploy.core.snapshot import Snapshot
from jupyter_deploy.errors import StateUnavailable, Unavailable
from jupyter_deploy.supervisor import snapshot
from jupyter_deploy.supervisor.gateways import Gateways
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.store import Store

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class Routes:
    """Writes the snapshot and has the gateways read it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        gateways: Gateways,
        ready: Callable[[], snapshot.Ready],
        bins: snapshot.Bins,
    ) -> None:
        self._settings = settings
        self._store = store
        self._gateways = gateways
        self._ready = ready
        self._bins = bins
        before = last(settings)
        self._sequence = 0 if before is None else before.sequence
        self._mlflow = _mlflow_version()
        self._lock = asyncio.Lock()
        self._work = asyncio.Event()

    def changed(self) -> None:
        """Have the present truth published soon."""
        self._work.set()

    async def publish(self) -> tuple[str, ...]:
        """Return once every gateway routes by the present truth.

        The answer says which ones had to be replaced for it.  Raises Unavailable.
        """
        try:
            async with self._lock:
                self.write()
                sequence = self._sequence
            return await self._gateways.reload(sequence)
        except Unavailable:
            # What was changed is committed: it is published as soon as that works.
            self._work.set()
            raise

    def write(self) -> None:
        """Write the present truth.  Raises StateUnavailable."""
        self._sequence += 1
        now = snapshot.build(
            self._store.state,
            self._ready(),
            self._bins,
            sequence=self._sequence,
            url=self._gateways.url,
            mlflow=self._mlflow,
        )
        try:
            _write(self._settings, now)
        except OSError as error:
            raise StateUnavailable(
                f"The routes cannot be written: {error.strerror}.", "Make room or give access."
            ) from error

    async def run(self) -> None:
        """Publish what has changed, until cancelled; what fails is tried again."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self.publish()
            except Unavailable as error:
                _log.warning("routes are not published: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)


def _write(settings: Settings, now: Snapshot) -> None:
    fresh = settings.snapshot.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(now))
    fresh.replace(settings.snapshot)


def last(settings: Settings) -> Snapshot | None:
    """What was written last, if it is there and whole."""
    try:
        return msgspec.json.decode(settings.snapshot.read_bytes(), type=Snapshot)
    except (OSError, msgspec.MsgspecError):
        return None


def _mlflow_version() -> str:
    # Its metadata: importing it would cost seconds and hundreds of megabytes.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mlflow")
    except PackageNotFoundError:
        return ""
