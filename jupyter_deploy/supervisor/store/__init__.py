"""The store: desired state in SQLite, one writer, each change whole or not at all.

Rule 1: only the store's own thread touches the file, so changes are serial by construction.
Rule 2: a change is a function of a connection, run in one BEGIN IMMEDIATE transaction; what it
raises rolls it back.  Rule 3: a file that cannot be written, a full disk and a lock are
StateUnavailable, and `state` stays what it was.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.state import State
from jupyter_deploy.supervisor.store import reading
from jupyter_deploy.supervisor.store.schema import migrate

__all__ = ["Store"]

#: How long a statement waits for a lock that another process holds.
_BUSY_MILLISECONDS = 5000

_T = TypeVar("_T")


class Store:
    """The state file at `path`.  `open` first, `close` at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: What the last committed change has left.
        self.state = State()
        self._manifests: dict[int, Manifest] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._engine: Engine | None = None

    async def open(self) -> None:
        """Open or create the file, and read it.  Raises StateUnavailable."""
        await self._in_thread(self._open)

    async def close(self) -> None:
        """Close the file."""
        if self._engine is not None:
            await self._in_thread(self._engine.dispose)
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

    async def _commit(self, statements: Callable[[Connection], _T]) -> _T:
        changed, self.state = await self._in_thread(partial(self._change, statements))
        return changed

    async def _in_thread(self, function: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._thread, function)
        except StateUnavailable:
            raise
        except (DBAPIError, sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        return result

    def _unavailable(self, error: Exception) -> StateUnavailable:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return StateUnavailable(
            f"The state in {self.path.parent} cannot be used: {reason}.",
            "Make room or give access there, then repeat the command; what serves goes on.",
        )

    def _open(self) -> None:
        if not self.path.exists():
            self.path.touch(mode=0o600)
        self._engine = create_engine(f"sqlite:///{self.path}", poolclass=StaticPool)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        with self._engine.begin() as connection:
            migrate(connection)
            self.state = reading.state(connection, self._manifests)
        # Only now: this writes into the file, which has to be ours.
        raw = self._engine.raw_connection()
        raw.cursor().execute("PRAGMA journal_mode = WAL")
        raw.close()

    def _change(self, statements: Callable[[Connection], _T]) -> tuple[_T, State]:
        assert self._engine is not None
        with self._engine.begin() as connection:
            result = statements(connection)
            state = reading.state(connection, self._manifests)
        return result, state

    def _read(self, statements: Callable[[Connection], _T]) -> _T:
        assert self._engine is not None
        with self._engine.connect() as connection:
            return statements(connection)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html: the driver must not begin by itself.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
