"""The store: desired state in SQLite, one writer, each change whole or not at all.

Rule 1: only the store's own thread touches the file, so changes are serial by construction.
Rule 2: a change is a function of a connection, run in one BEGIN IMMEDIATE transaction; what it
raises rolls it back.  Rule 3: a file that cannot be written, a full disk and a lock are
StateUnavailable, and `state` stays what it was.  Rule 4: each change of what the state is for is
counted, and backed up soon; a file that is damaged, or has lost changes that a backup has, is set
aside when it is opened, and the newest good backup takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.state import State
from jupyter_deploy.supervisor.store import backups, damage, reading, recovery, writing
from jupyter_deploy.supervisor.store.damage import Damaged
from jupyter_deploy.supervisor.store.engine import (
    BUSY_SECONDS,
    engine_of,
    start_journal,
    wait_for_locks,
)
from jupyter_deploy.supervisor.store.recovery import Recovery
from jupyter_deploy.supervisor.store.schema import migrate

__all__ = ["Store"]

_log = logging.getLogger(__name__)
#: A backup that failed (a full disk) is tried again after as long as this.
_BACKUP_RETRY_SECONDS = 5.0

_T = TypeVar("_T")


class Store:
    """The state file at `path`.  `open` first, `close` at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backups = path.parent / "backups"
        self.damaged = path.parent / "damaged"
        #: What the last committed change has left.
        self.state = State()
        #: What had to be done to the file when it was opened.
        self.recovery: Recovery | None = None
        #: What the thread has committed last, and its number: `state` follows with the loop's turn.
        self._committed = State()
        self._changes = 0
        self._behind = asyncio.Event()
        self._manifests: dict[int, Manifest] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._engine: Engine | None = None

    async def open(self) -> None:
        """Open or create the file, and read it; mend it if need be.  Raises StateUnavailable."""
        await self._in_thread(self._open)
        newest = max((backup.change for backup in backups.known(self.backups)), default=0)
        if newest < self._changes:
            self._behind.set()

    async def close(self) -> None:
        """Close the file."""
        await self.back_up()
        await self._in_thread(self._dispose)
        self._thread.shutdown()

    async def change(self, statements: Callable[[Connection], _T]) -> _T:
        """What `statements` returns, once the change is on the disk and `state` shows it.

        Raises StateUnavailable when nothing could be written, and then nothing was.
        """
        # Shielded: a caller that goes away leaves no change half-seen.
        return await asyncio.shield(self._commit(statements))

    async def read(self, statements: Callable[[Connection], _T]) -> _T:
        """What `statements` reads.  Raises StateUnavailable."""
        return await self._in_thread(partial(self._read, statements))

    async def run(self) -> None:
        """Back up what has changed, until cancelled; many changes at once are one backup."""
        while True:
            await self._behind.wait()
            if not await self.back_up():
                await asyncio.sleep(_BACKUP_RETRY_SECONDS)

    async def back_up(self) -> bool:
        """Whether what is committed now has a backup.  Changes wait for it, nothing else does."""
        if not self._behind.is_set():
            return True
        self._behind.clear()
        try:
            await self._in_thread(self._back_up)
        except StateUnavailable as error:
            self._behind.set()
            _log.warning("no backup: %s", error)
            return False
        return True

    async def _commit(self, statements: Callable[[Connection], _T]) -> _T:
        changed, self.state, counted = await self._in_thread(partial(self._change, statements))
        if counted:
            self._behind.set()
        return changed

    async def _in_thread(self, function: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        until = time.monotonic() + BUSY_SECONDS

        def work() -> _T:
            # Time in the queue counts: behind others that wait for a lock nobody waits for ever.
            if self._engine is not None:
                wait_for_locks(self._engine, until)
            return function()

        try:
            result = await loop.run_in_executor(self._thread, work)
        except StateUnavailable:
            raise
        except (DBAPIError, sqlite3.Error, OSError, Damaged) as error:
            raise self._unavailable(error) from error
        return result

    def _unavailable(self, error: Exception) -> StateUnavailable:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return StateUnavailable(
            f"The state in {self.path.parent} cannot be used: {reason}.",
            "Make room or give access there, then repeat the command; what serves goes on.",
        )

    # --- opening --------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._check_presence()
            self._load()
            self._check_changes()
        except Damaged as damaged:
            self._recover(damaged)

    def _check_presence(self) -> None:
        """Raises Damaged: there has been a state, and nothing is left of it."""
        # Routes are written from a state: without one there was none yet.
        used = bool(backups.known(self.backups)) or self.path.with_name("snapshot.json").exists()
        if used and not self.path.exists():
            raise Damaged("it is missing")
        if used and self.path.stat().st_size == 0:
            raise Damaged("it is empty")

    def _check_changes(self) -> None:
        """Raises Damaged: a backup has changes that the file has lost (with its log, say)."""
        for backup in backups.known(self.backups):
            if backup.change <= self._changes:
                return
            if backups.good(backup):
                lost = backup.change - self._changes
                raise Damaged(f"its last {lost} changes are missing")

    def _load(self) -> None:
        """Open the file as it is.  Raises Damaged, or what says that it cannot be used now."""
        if not self.path.exists():
            self.path.touch(mode=0o600)
        self._engine = engine_of(self.path)
        self._manifests.clear()
        try:
            with self._engine.begin() as connection:
                damage.check(connection)
                migrate(connection)
                self.state = self._committed = reading.state(connection, self._manifests)
                self._changes = _number(connection)
            # Only now: this writes into the file, which has to be ours.
            start_journal(self._engine, self.path.parent)
        except damage.SIGNS as error:
            damaged = damage.of(error)
            if damaged is None:
                raise
            raise damaged from error

    def _recover(self, damaged: Damaged) -> None:
        """Set the file aside, and open the newest backup that can be used, or an empty file."""
        self._dispose()
        aside = recovery.set_aside(self.path, self.damaged, time.time())
        for backup in backups.known(self.backups):
            backups.restore(backup, self.path)
            try:
                self._load()
            except (Damaged, StateUnavailable) as error:
                _log.warning("the backup %s cannot be used: %s", backup.path.name, error)
                self._dispose()
                recovery.remove_copy(self.path)
                continue
            at = backup.path.stat().st_mtime
            self.recovery = Recovery(str(damaged), aside, at, self.state)
            return
        self._load()
        self.recovery = Recovery(str(damaged), aside, None, self.state)

    def _dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    # --- in the thread --------------------------------------------------------------------------

    def _change(self, statements: Callable[[Connection], _T]) -> tuple[_T, State, bool]:
        assert self._engine is not None
        with self._engine.begin() as connection:
            # One that seemed to fail may have been committed, and has its number.
            changes = max(self._changes, _number(connection))
            result = statements(connection)
            state = reading.state(connection, self._manifests)
            counted = _matters(self._committed, state)
            if counted:
                changes += 1
                writing.setting(connection, backups.CHANGES, str(changes))
        self._committed, self._changes = state, changes
        return result, state, counted

    def _back_up(self) -> None:
        assert self._engine is not None
        raw = self._engine.raw_connection()
        try:
            source = raw.driver_connection
            assert isinstance(source, sqlite3.Connection)
            backups.take(source, self.backups, self._changes)
        finally:
            raw.close()

    def _read(self, statements: Callable[[Connection], _T]) -> _T:
        assert self._engine is not None
        with self._engine.connect() as connection:
            return statements(connection)


def _number(connection: Connection) -> int:
    """The number of the last change."""
    return int(reading.setting(connection, backups.CHANGES) or 0)


def _matters(before: State, after: State) -> bool:
    """Whether endpoints, versions, keys or traffic have changed: not every event is a backup."""
    return (before.endpoints, before.versions, before.keys) != (
        after.endpoints,
        after.versions,
        after.keys,
    )
