"""The schemas of the state file: of each release, and what becomes of it in the next."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.store import Store, schema
from tests.store.stores import adding, endpoints, with_store

FIRST_RELEASE = Path(__file__).with_name("schema-1.sql")


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    """A home whose state the first release has written."""
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as old:
        old.executescript(FIRST_RELEASE.read_text())
    return tmp_path


def test_a_state_of_the_first_release_is_read(first_release: Path) -> None:
    assert with_store(first_release, endpoints) == ["churn"]


def test_a_state_walks_through_each_schema_after_its_own(
    first_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = ("ALTER TABLE endpoints ADD COLUMN note TEXT NOT NULL DEFAULT 'new'",)
    third = ("UPDATE endpoints SET note = note || 'er'",)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second, third))

    async def use(store: Store) -> tuple[str, int]:
        return await store.read(
            lambda c: (
                c.exec_driver_sql("SELECT note FROM endpoints").scalar_one(),
                c.exec_driver_sql("PRAGMA user_version").scalar_one(),
            )
        )

    assert with_store(first_release, use) == ("newer", len(schema.MIGRATIONS))


def test_a_migration_that_fails_leaves_the_state_as_it_was(
    first_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = ("ALTER TABLE endpoints ADD COLUMN note TEXT", "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, half))
        with pytest.raises(StateUnavailable, match="nowhere"):
            with_store(first_release, endpoints)
    assert with_store(first_release, endpoints) == ["churn"]
    assert not (first_release / "damaged").exists()


def test_a_newer_state_is_left_alone_even_where_there_are_backups(tmp_path: Path) -> None:
    with_store(tmp_path, adding("churn"))
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as newer:
        newer.execute("PRAGMA journal_mode = DELETE")
        newer.execute("PRAGMA user_version = 99")
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(StateUnavailable, match="newer release"):
        with_store(tmp_path, endpoints)
    assert (tmp_path / "state.db").read_bytes() == before
    assert not (tmp_path / "damaged").exists()


def test_the_stored_state_is_of_the_schema_as_it_was_released(
    first_release: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A migration that has been released never changes."""
    fresh = tmp_path_factory.mktemp("fresh")
    with_store(fresh, adding("churn"))
    assert with_store(first_release, endpoints) == ["churn"]
    assert tables(fresh / "state.db") == tables(first_release / "state.db")


def tables(file: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(file)) as opened:
        rows = opened.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: " ".join(sql.split()) for name, sql in rows}
