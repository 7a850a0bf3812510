"""Backups of the state: whole files, one for each change that was committed, the last five.

Rule 1: a backup has its name only once it is whole, checked and on the disk.  Rule 2: its name
holds the number of the change, so that a state that has lost changes is known by its backup; the
clock plays no part.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.client.paths import private_folder
from jupyter_deploy.supervisor.store.damage import Damaged
from jupyter_deploy.supervisor.store.schema import APPLICATION_ID, MIGRATIONS

KEPT = 5
#: The setting in the state that counts changes.
CHANGES = "changes"
_NAME = re.compile(r"state-(\d+)\.db")


@dataclass(frozen=True, slots=True, order=True)
class Backup:
    """One backup: `change` is the number of the last change in it."""

    change: int
    path: Path


def known(folder: Path) -> list[Backup]:
    """All backups, the newest first; that they are good is not said."""
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.glob("state-*.db")]
    return sorted((Backup(int(name[1]), path) for name, path in matches if name), reverse=True)


def take(source: sqlite3.Connection, folder: Path, change: int) -> Backup:
    """A backup of what is committed.  Raises Damaged, sqlite3.Error, OSError; then there is none.

    The newest five stay.
    """
    # A home that is away is not made anew in its place.
    folder.parent.stat()
    private_folder(folder)
    path = folder / f"state-{change:08d}.db"
    with _fresh(path) as fresh, closing(sqlite3.connect(fresh)) as copy:
        source.backup(copy)
        # One file, which is whole without a second one beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        _check(copy, change)
    for old in known(folder)[KEPT:]:
        old.path.unlink(missing_ok=True)
    return Backup(change, path)


def _check(copy: sqlite3.Connection, change: int) -> None:
    """Raises Damaged: the copy is not whole, or not of this change."""
    found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Damaged(f"the state is damaged, the next start will recover it: {found}")
    counted = copy.execute("SELECT value FROM settings WHERE name = ?", (CHANGES,)).fetchone()
    if counted != (str(change),):
        raise Damaged("the state has lost changes, the next start will recover it")


def good(backup: Backup) -> bool:
    """Whether the backup is whole and of a schema that we know."""
    try:
        # Immutable: nothing is written beside it.
        uri = f"{backup.path.resolve().as_uri()}?immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as copy:
            whole = copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            owner = copy.execute("PRAGMA application_id").fetchone()[0]
            version = copy.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        return False
    return bool(whole and owner == APPLICATION_ID and 0 < version <= len(MIGRATIONS))


def restore(backup: Backup, path: Path) -> None:
    """Put a copy of the backup in the place of the state.  Raises OSError."""
    with _fresh(path) as fresh:
        fresh.write_bytes(backup.path.read_bytes())


@contextmanager
def _fresh(path: Path) -> Iterator[Path]:
    """A new file (0600) that takes the place of `path` at the end, or is gone if that fails."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    try:
        yield fresh
        _sync(fresh)
        fresh.replace(path)
        _sync(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
