"""Damage: a state file that cannot be what we have written.

Rule: a file that cannot be reached now (locked, full, forbidden) is not damaged, and a file of a
newer release or of another program is not ours to mend.
"""

from __future__ import annotations

import sqlite3

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

# https://sqlite.org/rescode.html: these say nothing about what the file holds.
_UNREACHABLE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_AUTH,
    }
)


#: What reading a file may raise that cannot be what we have written.
SIGNS = (DBAPIError, sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError, LookupError)


class Damaged(Exception):
    """The file is damaged; the message says how, as the end of a sentence."""


def check(connection: Connection) -> None:
    """Raises Damaged when pages or rows do not fit together."""
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if found != "ok":
        raise Damaged(str(found).splitlines()[-1])


def of(error: Exception) -> Damaged | None:
    """What `error`, raised while the file was read, says about the file; None: nothing."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        cut_short = code == sqlite3.SQLITE_IOERR_SHORT_READ
        return Damaged(str(cause)) if cut_short or code & 0xFF not in _UNREACHABLE else None
    # What a row holds is no longer what was written there.
    return Damaged(f"a row cannot be read: {cause}")
