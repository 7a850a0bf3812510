"""The database of our own registry, which is whole or not there.

MLflow builds its database in many transactions, and can neither use nor finish one whose making
was cut by a full disk or a kill.  So it is made aside, and put in its place in one step.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def make(database: Path, artifacts: str) -> None:
    """Make the SQLite database of a registry that keeps its artefacts at `artifacts`, if missing.

    Of two processes that make it at once, the first wins.  Raises MlflowException,
    SQLAlchemyError or OSError.
    """
    if database.exists():
        return
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=database.parent) as aside:
        fresh = Path(aside) / database.name
        with _unsynced(fresh):
            _build(fresh, artifacts)
        _sync(fresh)
        with contextlib.suppress(FileExistsError):
            # Not a rename, which would replace a database that somebody has written to.
            os.link(fresh, database)


@contextlib.contextmanager
def _unsynced(database: Path) -> Iterator[None]:
    """SQLite leaves it to the system when it writes: nobody needs what is half-made."""
    from sqlalchemy import Engine, event

    def hurry(connection: Any, _: object) -> None:
        # Every engine is asked, those of other threads too.
        if isinstance(connection, sqlite3.Connection) and _file_of(connection) == str(database):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _file_of(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2])


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _build(database: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{database}", artifacts)
    # All is in the file once no connection is open.
    store.engine.dispose()
