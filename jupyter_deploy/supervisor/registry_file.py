"""Whether somebody has written to a registry since: each look at it imports MLflow for seconds."""

from __future__ import annotations

from pathlib import Path

_SQLITE = "sqlite:///"
#: What SQLite has written and not yet moved into the database.
_JOURNAL = "-wal"

Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp(uri: str) -> Stamp | None:
    """What differs after each commit to the registry at `uri`, or None: it has to be asked.

    Only a SQLite file that is there can tell.
    """
    if not uri.startswith(_SQLITE):
        return None
    file = Path(uri.removeprefix(_SQLITE))
    found = _stamp(file)
    return None if found is None else (found, _stamp(file.with_name(file.name + _JOURNAL)))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
