"""metrics.db: counts by second, minute and hour.

Rule 1: what was delivered and the cursor that says so are written in one transaction, so that
nothing is counted twice.  Rule 2: minutes are made from seconds and hours from minutes once they
are over; up to `rolled` a coarser width is whole, after it the finer one is read.  Rule 3: the file
is bounded by age and by rows.  A damaged file is set aside, because figures can be lost.  Rule 4:
where none can be opened, that is tried again at each use.

All methods block; they are for one thread at a time.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from jupyter_deploy.core.series import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SPANS,
    Counts,
    Record,
    floor,
    rolled,
)
from jupyter_deploy.supervisor.store import damage
from jupyter_deploy.supervisor.store.damage import SIGNS
from jupyter_deploy.supervisor.store.filesystem import journal_mode_here

_log = logging.getLogger(__name__)

#: How long each width is kept.  Seconds and minutes reach as far as figures are made from them.
KEPT = {SECOND: 3 * HOUR, MINUTE: 7 * DAY, HOUR: 92 * DAY}
#: At most so many rows of each width, some 150 MB in all; the oldest go first.
MOST_ROWS = {SECOND: 100_000, MINUTE: 150_000, HOUR: 200_000}
#: A second may be delivered this much later than it was.
_LATE_SECONDS = 5
_SCHEMA = """
CREATE TABLE IF NOT EXISTS counts (
    span INTEGER, endpoint TEXT, at INTEGER, version TEXT, consumer TEXT, counts BLOB NOT NULL,
    PRIMARY KEY (span, endpoint, at, version, consumer)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON counts (span, at);
CREATE TABLE IF NOT EXISTS cursors (gateway TEXT PRIMARY KEY, cursor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rolled (span INTEGER PRIMARY KEY, until INTEGER NOT NULL);
"""
_FIELDS = "at, endpoint, version, consumer, counts"


class MetricsStore:
    """The file at `path`; `open` first.

    Raises sqlite3.Error where the file cannot be used now, and `damage.SIGNS` where it is damaged.
    """

    def __init__(self, path: Path, most_rows: dict[int, int] | None = None) -> None:
        self._path = path
        self._most_rows = MOST_ROWS if most_rows is None else most_rows
        self._db: sqlite3.Connection | None = None
        self._closed = True
        self._said = ""

    def open(self) -> None:
        """Open the file; one that is damaged is set aside, and where none can be there is none."""
        self._closed = False
        for attempt in range(2):
            try:
                self._db = _opened(self._path)
            except (*SIGNS, OSError) as error:
                damaged = not isinstance(error, OSError) and damage.of(error) is not None
                self._complain(f"metrics.db cannot be used: {error}")
                if not damaged or attempt:
                    return
                with contextlib.suppress(OSError):
                    self._set_aside()
            else:
                self._said = ""
                return

    def reopen(self) -> None:
        """Begin anew in place of a file that has turned out to be damaged."""
        self.close()
        try:
            self._set_aside()
        except OSError as error:
            self._complain(f"metrics.db cannot be set aside: {error}")
        self.open()

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        if self._db is not None:
            self._db.close()
            self._db = None

    def _complain(self, why: str) -> None:
        # Once: a disk may be full for days.
        if why != self._said:
            _log.warning("%s", why)
        self._said = why

    def write(self, records: Iterable[Record], cursors: dict[str, str]) -> None:
        """Add `records` of one second each, and remember how far the gateways were read."""
        with self._connection() as db:
            until = _rolled_until(db)
            for record in records:
                for span in SPANS:
                    # A coarser row that is made already would miss what comes late.
                    if span == SECOND or record.at < until[span]:
                        _add(db, span, record)
            db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?)", cursors.items())

    def cursors(self) -> dict[str, str]:
        """How far each gateway was read."""
        with self._connection() as db:
            return dict(db.execute("SELECT gateway, cursor FROM cursors"))

    def read(self, endpoint: str | None, start: int, span: int) -> list[Record]:
        """The counts of an endpoint (None: of all) since `start`, in `span` wide or finer rows."""
        with self._connection() as db:
            until = _rolled_until(db)
            found: list[Record] = []
            for width in reversed(SPANS[: SPANS.index(span) + 1]):
                end = until[width] if width != SECOND else 1 << 62
                found += _read(db, endpoint, width, start, end)
                start = max(start, end)
            return found

    def roll(self, now: float) -> None:
        """Make minutes and hours that are over, and forget what is too old or too much."""
        with self._connection() as db:
            for finer, span in pairwise(SPANS):
                self._roll(db, finer, span, floor(now - _LATE_SECONDS, span))
            for span in SPANS:
                self._prune(db, span, int(now) - KEPT[span])

    def _roll(self, db: sqlite3.Connection, finer: int, span: int, end: int) -> None:
        until = _rolled_until(db)
        end = min(end, floor(until[finer], span)) if finer != SECOND else end
        if end <= until[span]:
            return
        for record in rolled(_read(db, None, finer, until[span], end), span):
            _add(db, span, record)
        db.execute("INSERT OR REPLACE INTO rolled VALUES (?, ?)", (span, end))

    def _prune(self, db: sqlite3.Connection, span: int, oldest: int) -> None:
        row = db.execute(
            "SELECT at FROM counts WHERE span = ? ORDER BY at DESC LIMIT 1 OFFSET ?",
            (span, self._most_rows[span]),
        ).fetchone()
        before = oldest if row is None else max(oldest, row[0] + 1)
        db.execute("DELETE FROM counts WHERE span = ? AND at < ?", (span, before))

    def _connection(self) -> sqlite3.Connection:
        if self._db is None and not self._closed:
            self.open()
        if self._db is None:
            error = sqlite3.OperationalError("metrics.db is not open")
            # What cannot be opened now is not damaged.
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return self._db

    def _set_aside(self) -> None:
        for end in ("", "-wal", "-shm"):
            file = Path(f"{self._path}{end}")
            if file.exists():
                file.replace(f"{self._path}.damaged{end}")


def _opened(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, check_same_thread=False, timeout=2.0)
    try:
        db.execute(f"PRAGMA journal_mode = {journal_mode_here(path.parent)}")
        # A crash of the machine may lose the last seconds, and damages nothing.
        db.execute("PRAGMA synchronous = NORMAL")
        with closing(db.execute("PRAGMA quick_check(1)")) as checked:
            if checked.fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages do not fit together")
        db.executescript(_SCHEMA)
        _read(db, "", SECOND, 0, 0)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _rolled_until(db: sqlite3.Connection) -> dict[int, int]:
    return dict.fromkeys(SPANS, 0) | dict(db.execute("SELECT span, until FROM rolled"))


def _read(
    db: sqlite3.Connection, endpoint: str | None, span: int, start: int, end: int
) -> list[Record]:
    values: list[Any] = [span, start, end]
    where = "span = ? AND at >= ? AND at < ?"
    if endpoint is not None:
        where, values = f"{where} AND endpoint = ?", [*values, endpoint]
    rows = db.execute(f"SELECT {_FIELDS} FROM counts WHERE {where} ORDER BY at", values)  # noqa: S608
    return [
        Record(at, name, version, consumer, _decode(blob))
        for at, name, version, consumer, blob in rows
    ]


def _add(db: sqlite3.Connection, span: int, record: Record) -> None:
    key: tuple[Any, ...] = (
        span, record.endpoint, floor(record.at, span), record.version, record.consumer,
    )  # fmt: skip
    row = db.execute(
        "SELECT counts FROM counts WHERE span = ? AND endpoint = ? AND at = ? AND version = ? "
        "AND consumer = ?",
        key,
    ).fetchone()
    counts = record.counts if row is None else _decode(row[0]).add(record.counts)
    db.execute("INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?, ?, ?)", (*key, _encode(counts)))


def _encode(counts: Counts) -> bytes:
    # Most fields of most rows are empty.
    fields = {name: value for name in Counts.__slots__ if (value := getattr(counts, name))}
    return msgspec.msgpack.encode(fields)


def _decode(blob: bytes) -> Counts:
    return msgspec.msgpack.decode(blob, type=Counts)
