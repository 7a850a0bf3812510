"""metrics.db: what is kept, how long, and what becomes of a file that cannot be used."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from jupyter_deploy.core.series import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SPANS,
    Counts,
    History,
    Record,
    total,
)
from jupyter_deploy.supervisor.metrics.collector import Collector
from jupyter_deploy.supervisor.metrics.recent import RecentFigures
from jupyter_deploy.supervisor.metrics.store import KEPT, MetricsStore

NOW = 20_000 * DAY  # midnight


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetricsStore]:
    opened = MetricsStore(tmp_path / "metrics.db")
    opened.open()
    yield opened
    opened.close()


def record(at: int, *, consumer: str = "ada", endpoint: str = "churn") -> Record:
    return Record(at, endpoint, "1.0.0", consumer, Counts(statuses={200: 1}, seconds={-100: 1}))


def requests(store: MetricsStore, start: int, span: int) -> int:
    return total(one.counts for one in store.read("churn", start, span)).requests


@pytest.mark.parametrize("span", SPANS)
def test_every_width_counts_the_same_before_and_after_rolling_up(store, span):
    start = NOW - 2 * HOUR
    store.write([record(at) for at in range(start, NOW, 10)], {})
    assert requests(store, start, span) == 720
    store.roll(NOW - HOUR + 61)
    store.write([record(NOW + 1)], {})
    assert requests(store, start, span) == 721
    store.roll(NOW + 120)
    assert requests(store, start, span) == 721


def test_what_comes_after_its_minute_and_hour_were_made_is_added_to_them(store):
    store.write([record(NOW - 2 * HOUR)], {})
    store.roll(NOW)
    store.write([record(NOW - 2 * HOUR)], {})
    for span in SPANS:
        assert requests(store, NOW - 3 * HOUR, span) == 2


def test_two_gateways_that_count_the_same_second_are_added_up(store):
    store.write([record(NOW)], {"a.sock": "x:1"})
    store.write([record(NOW)], {"b.sock": "y:1"})
    assert requests(store, NOW, SECOND) == 2
    assert store.cursors() == {"a.sock": "x:1", "b.sock": "y:1"}


def test_figures_and_cursor_are_written_together_or_not_at_all(store):
    store.write([record(NOW)], {"a.sock": "x:1"})
    unwritable = Record(NOW, "churn", "1.0.0", "ada", Counts(labels={"\ud800": 1}))
    with pytest.raises(UnicodeEncodeError):
        store.write([record(NOW), unwritable], {"a.sock": "x:2"})
    assert store.cursors() == {"a.sock": "x:1"}
    assert requests(store, NOW, SECOND) == 1


def test_hours_outlast_a_month_and_nothing_lasts_for_ever(store):
    store.write([record(NOW)], {})
    store.roll(NOW + HOUR + 10)
    store.roll(NOW + 31 * DAY)
    assert requests(store, NOW, HOUR) == 1
    assert not [one for one in store.read("churn", NOW, MINUTE) if one.at % HOUR]
    store.roll(NOW + KEPT[HOUR] + 2 * HOUR)
    assert requests(store, NOW, HOUR) == 0


def test_the_file_stops_growing(tmp_path):
    path = tmp_path / "metrics.db"
    store = MetricsStore(path, most_rows={SECOND: 200, MINUTE: 50, HOUR: 20})
    store.open()
    sizes = []
    for hour in range(60):
        start = NOW + hour * HOUR
        store.write([record(start + n * 10, consumer=f"c{n % 5}") for n in range(300)], {})
        store.roll(start + HOUR)
        with sqlite3.connect(path) as db:
            sizes.append(db.execute("PRAGMA page_count").fetchone()[0])
    store.close()
    assert sizes[-1] == sizes[20]
    with sqlite3.connect(path) as db:
        rows = dict(db.execute("SELECT span, count(*) FROM counts GROUP BY span"))
    # What shares its second with the oldest row that may stay goes with it or stays with it.
    assert rows[SECOND] <= 200
    assert rows[MINUTE] <= 50
    assert rows[HOUR] <= 20


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path):
    path = tmp_path / "metrics.db"
    path.write_bytes(b"this is no database, " * 1000)
    store = MetricsStore(path)
    store.open()
    store.write([record(NOW)], {})
    assert requests(store, NOW, SECOND) == 1
    assert (tmp_path / "metrics.db.damaged").read_bytes().startswith(b"this is no database")
    store.close()


def test_a_row_that_cannot_be_read_begins_a_new_file_too(tmp_path):
    path = tmp_path / "metrics.db"
    store = MetricsStore(path)
    store.open()
    store.write([record(NOW)], {})
    with sqlite3.connect(path) as db:
        db.execute("UPDATE counts SET counts = x'ff'")
    with pytest.raises(ValueError, match="Expected `object`"):
        store.read("churn", NOW, SECOND)
    store.reopen()
    store.write([record(NOW)], {})
    assert requests(store, NOW, SECOND) == 1
    store.close()


def test_a_file_that_nobody_can_write_stops_nothing_but_figures(tmp_path):
    store = MetricsStore(tmp_path / "missing" / "metrics.db")
    store.open()
    with pytest.raises(sqlite3.OperationalError):
        store.write([record(NOW)], {})


def test_a_file_that_could_not_be_made_is_made_when_that_works_again(tmp_path, caplog):
    folder = tmp_path / "full"
    store = MetricsStore(folder / "metrics.db")
    store.open()
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError):
            store.write([record(NOW)], {})
    assert len(caplog.records) == 1
    folder.mkdir()
    store.write([record(NOW)], {})
    assert requests(store, NOW, SECOND) == 1
    store.close()
    with pytest.raises(sqlite3.OperationalError):
        store.write([record(NOW)], {})


def test_a_file_that_cannot_be_opened_for_a_while_is_kept(tmp_path, monkeypatch):
    path, now = tmp_path / "metrics.db", int(time.time())
    store = MetricsStore(path)
    store.open()
    store.write([record(now)], {})
    store.close()
    before = path.read_bytes()

    def full(_: Path) -> sqlite3.Connection:
        # Of a real one: the message alone does not tell what has gone wrong.
        with sqlite3.connect(tmp_path / "small.db") as small:
            small.execute("PRAGMA max_page_count = 1")
            small.execute("CREATE TABLE large (one)")
            small.execute("CREATE TABLE larger (one)")
        raise AssertionError

    async def collect() -> None:
        collector = Collector(MetricsStore(path), list, dict)
        with monkeypatch.context() as patch:
            patch.setattr("jupyter_deploy.supervisor.metrics.store._opened", full)
            await collector.open()
            await collector.collect()
        await collector.close()

    asyncio.run(collect())
    assert path.read_bytes() == before
    store.open()
    assert requests(store, now, SECOND) == 1
    store.close()


class SlowStore(MetricsStore):
    """Its first write is begun, and goes on when `go` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun, self.go = threading.Event(), threading.Event()

    def write(self, records: Iterable[Record], cursors: dict[str, str]) -> None:
        self.begun.set()
        self.go.wait(10)
        super().write(records, cursors)


class OneSecond:
    """A gateway that has counted in the second `at`, and tells it once."""

    name = "gateway.sock"

    def __init__(self, at: int) -> None:
        self.at = at

    async def history(self, cursor: str, *, seal: bool = False) -> History:
        return History("1", () if cursor else (record(self.at),), False)


def test_what_is_being_written_when_the_supervisor_leaves_is_counted_once(tmp_path):
    store, now = SlowStore(tmp_path / "metrics.db"), int(time.time())

    async def leave() -> None:
        collector = Collector(store, lambda: [OneSecond(now)], dict)
        await collector.open()
        running = asyncio.create_task(collector.run())
        await asyncio.to_thread(store.begun.wait, 10)
        running.cancel()
        await asyncio.wait([running], timeout=0.0)
        store.go.set()
        await collector.close()

    asyncio.run(leave())
    store.open()
    assert requests(store, now, SECOND) == 1
    store.close()


def test_what_callers_did_wrong_is_told_from_what_failed_on_our_side():
    figures = RecentFigures()
    counts = Counts(statuses={200: 6, 400: 3, 500: 1})
    figures.add([Record(1000, "churn", "1.0.0", "ada", counts)])
    recent = figures.of("churn", 1001.0)
    assert recent.error_share == pytest.approx(0.4)
    assert recent.failed_share == pytest.approx(0.1)
