"""The connection to the state file: one, prepared so that what is committed is on the disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

from jupyter_deploy.supervisor.store.filesystem import journal_mode_here

#: How long a change waits for a lock that another process holds.
BUSY_SECONDS = 5.0


def engine_of(path: Path) -> Engine:
    """The one connection to `path`; a transaction takes the write lock when it begins."""
    engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def wait_for_locks(engine: Engine, until: float) -> None:
    """Have statements wait for a lock until this moment (monotonic)."""
    left = int(1000 * (until - time.monotonic()))
    raw = engine.raw_connection()
    try:
        raw.cursor().execute(f"PRAGMA busy_timeout = {max(1, left)}")
    finally:
        raw.close()


def start_journal(engine: Engine, folder: Path) -> None:
    """Write ahead where that works, with a rollback journal on a network file system."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute(f"PRAGMA journal_mode = {journal_mode_here(folder)}")
    finally:
        raw.close()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html: the driver must not begin by itself.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_SECONDS)}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
