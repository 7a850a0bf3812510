"""The schema of the state, as numbered migrations.

Rule 1: a migration that has been released never changes; a change is a new one at the end.  Rule 2:
`user_version` is the number of migrations that a file has been through; a file with more than we
know is refused, never touched.
"""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from jupyter_deploy.errors import StateUnavailable

#: "jdep": tells our file from any other SQLite file.
APPLICATION_ID = 0x6A646570

_FIRST = (
    """
    CREATE TABLE endpoints (
        name TEXT PRIMARY KEY,
        generation INTEGER NOT NULL,
        active TEXT,
        standby TEXT,
        history TEXT NOT NULL,
        registered INTEGER NOT NULL,
        CHECK (active IS NULL OR active IS NOT standby)
    ) STRICT
    """,
    """
    CREATE TABLE versions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL REFERENCES endpoints (name),
        version TEXT NOT NULL,
        fate TEXT NOT NULL CHECK (fate IN ('starting', 'good', 'failed')),
        why TEXT NOT NULL,
        reason TEXT NOT NULL,
        log TEXT NOT NULL,
        created_at REAL NOT NULL,
        origin TEXT NOT NULL,
        previous TEXT,
        replicas INTEGER NOT NULL CHECK (replicas > 0),
        timeout_seconds REAL NOT NULL,
        manifest TEXT NOT NULL,
        UNIQUE (endpoint, version)
    ) STRICT
    """,
    """
    CREATE TABLE deploys (
        deploy_id TEXT PRIMARY KEY,
        endpoint TEXT NOT NULL,
        version TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'running', 'done', 'failed', 'aborted')),
        since REAL NOT NULL,
        origin TEXT NOT NULL,
        options TEXT NOT NULL,
        why TEXT NOT NULL,
        previous TEXT,
        number INTEGER REFERENCES versions (number),
        outcome TEXT
    ) STRICT
    """,
    # At most one deploy holds an endpoint, whatever the code does.
    "CREATE UNIQUE INDEX one_deploy ON deploys (endpoint) WHERE state IN ('open', 'running')",
    """
    CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        consumer TEXT NOT NULL,
        digest TEXT NOT NULL,
        endpoints TEXT NOT NULL,
        rate TEXT,
        created_at REAL NOT NULL,
        expires_at REAL,
        previous_digest TEXT,
        previous_until REAL,
        revoked_at REAL,
        file TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        endpoint TEXT NOT NULL,
        generation INTEGER NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL,
        origin TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_of_endpoint ON audit (endpoint, number)",
    """
    CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        endpoint TEXT NOT NULL,
        version TEXT NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT
    """,
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)

#: NULL: always as many as `replicas` says.
_RANGES = ("ALTER TABLE versions ADD COLUMN most_replicas INTEGER CHECK (most_replicas > 0)",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _RANGES)


def migrate(connection: Connection) -> None:
    """Bring the file to the present schema, in the caller's transaction.

    Raises StateUnavailable: the file is of a newer release, or is not ours, or a migration fails.
    """
    owner = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if owner not in (0, APPLICATION_ID) or (owner == 0 and version != 0):
        raise StateUnavailable("The state file belongs to another program.", "Move it away.")
    if version > len(MIGRATIONS):
        raise StateUnavailable(
            "The state was written by a newer release of jupyter_deploy.",
            "Install that release again, or set JUPYTER_DEPLOY_HOME to another folder.",
        )
    if version == len(MIGRATIONS):
        # Nothing is written: a supervisor can start, and take over what runs, on a full disk.
        return
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        _walk(connection, number, migration)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _walk(connection: Connection, number: int, migration: tuple[str, ...]) -> None:
    try:
        for statement in migration:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        # The file was whole until here: that is our fault or the disk's, and nothing was changed.
        raise StateUnavailable(
            f"The state cannot be brought to schema {number}: {error.orig}.",
            "Install the release that wrote it again; nothing in the file was changed.",
        ) from error
