"""What a registry in a SQLite file tells without MLflow, which takes seconds to import.

Rule 1: the file says when to look, and MLflow says what is so: a file that cannot be read here, and
a registry that is none, are looked at ever so often.  Rule 2: nobody who writes there waits for us.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_deploy.core.aliases import ACTIVE

_SQLITE = "sqlite:///"
#: What SQLite has written and not yet moved into the database.
_JOURNAL = "-wal"
#: As MLflow's tables have been since 2.3, when aliases came.
_ALIASES = "SELECT name, version FROM registered_model_aliases WHERE alias = ?"
_LOCKED_SECONDS = 1.0

Stamp = tuple[tuple[int, int, int] | None, ...]
#: The tracking URI and the name of a registered model.
Registered = tuple[str, str]


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


@dataclass(slots=True)
class _Seen:
    #: At the last two looks.
    stamps: tuple[Stamp | None, Stamp | None] = (None, None)
    aliases: dict[str, str] = field(default_factory=dict)


class AliasFiles:
    """Tells which aliases have been put elsewhere; what nobody has written to is not opened."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def moved(self, uris: Iterable[str]) -> dict[Registered, str | None]:
        """Where `active` stands now, for the models where it stood elsewhere at the last call.

        At first it stood nowhere.  A file that does not tell is read again at the next call.
        """
        return {(uri, name): now for uri in uris for name, now in self._moved(uri).items()}

    def _moved(self, uri: str) -> dict[str, str | None]:
        now = self._news(uri)
        found = None if now is None else aliases(uri)
        if found is None:
            return {}
        seen = self._seen.setdefault(uri, _Seen())
        before, seen.aliases = seen.aliases, found
        seen.stamps = (seen.stamps[1], now)
        names = before.keys() | found.keys()
        return {name: found.get(name) for name in names if found.get(name) != before.get(name)}

    def _news(self, uri: str) -> Stamp | None:
        """What the file tells of itself, unless it has been read twice since it changed.

        Two commits within a tick of the clock have one stamp.
        """
        now, seen = stamp(uri), self._seen.get(uri)
        return None if seen is not None and seen.stamps == (now, now) else now
