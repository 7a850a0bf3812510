"""The database of our own registry, which is whole or not there.

MLflow builds its database in many transactions, and can neither use nor finish one whose making
was cut by a full disk or a kill.  So it is made aside, and put in its place in one step.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


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
        _build(fresh, artifacts)
        with contextlib.suppress(FileExistsError):
            # Not a rename, which would replace a database that somebody has written to.
            os.link(fresh, database)


def _build(database: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{database}", artifacts)
    # All is in the file once no connection is open.
    store.engine.dispose()
