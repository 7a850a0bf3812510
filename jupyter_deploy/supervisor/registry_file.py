"""What a registry in a SQLite file tells without MLflow, which takes seconds to import.

Rule 1: the file says when to look, and MLflow says what is so: a file that cannot be read here, and
a registry that is none, are looked at ever so often.  Rule 2: nobody who writes there waits for us.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from jupyter_deploy.core.aliases import ACTIVE

_SQLITE = "sqlite:///"
#: What SQLite has written and not yet moved into the database.
_JOURNAL = "-wal"
#: As MLflow's tables have been since 2.3, when aliases came.
_ALIASES = "SELECT name, version FROM registered_model_aliases WHERE alias = ?"
_LOCKED_SECONDS = 1.0

Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp(uri: str) -> Stamp | None:
    """What differs after each commit to the registry at `uri`, or None: it has to be asked.

    Only a SQLite file that is there can tell.
    """
    if not uri.startswith(_SQLITE):
        return None
    file = uri.removeprefix(_SQLITE)
    found = _stamp(file)
    return None if found is None else (found, _stamp(file + _JOURNAL))


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - each second, and a Path costs as much again
    except OSError:
        return None
    # Whoever only reads leaves an empty journal where there was none.
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None


def aliases(uri: str) -> dict[str, str] | None:
    """The version that `active` names, by registered model; None where the file does not tell."""
    place = f"{Path(uri.removeprefix(_SQLITE)).absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(place, _LOCKED_SECONDS, uri=True)) as database:
            found = database.execute(_ALIASES, (ACTIVE,)).fetchall()
    except sqlite3.Error:
        return None
    return {str(name): str(version) for name, version in found}


class AliasFiles:
    """Tells where the aliases stand; what nobody has written to is not opened."""

    def __init__(self) -> None:
        #: Of each file, at its last two looks.
        self._stamps: dict[str, tuple[Stamp | None, Stamp | None]] = {}

    def written(self, uris: Iterable[str]) -> dict[str, dict[str, str]]:
        """The version that `active` names, by registered model, of what has been written to.

        A file that does not tell is read again at the next call.
        """
        found = ((uri, self._read(uri)) for uri in uris)
        return {uri: names for uri, names in found if names is not None}

    def _read(self, uri: str) -> dict[str, str] | None:
        now, (before, last) = stamp(uri), self._stamps.get(uri, (None, None))
        # Read twice, since two commits within a tick of the clock have one stamp.
        if now is None or now == before == last:
            return None
        found = aliases(uri)
        if found is not None:
            self._stamps[uri] = (last, now)
        return found
