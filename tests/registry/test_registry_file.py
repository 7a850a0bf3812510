"""A registry in a file is asked only when somebody has written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_deploy.supervisor.registry_file import AliasFiles, aliases, stamp

TABLE = "CREATE TABLE registered_model_aliases (name, alias, version INTEGER)"


@pytest.fixture(params=["delete", "wal"])
def writer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who writes to the registry of `uri`."""
    with closing(sqlite3.connect(tmp_path / "ml#flow 1.db")) as one:
        one.execute(f"PRAGMA journal_mode={request.param}")
        one.execute(TABLE)
        one.commit()
        yield one


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ml#flow 1.db"


def put(writer: sqlite3.Connection, name: str, version: int, alias: str = "active") -> None:
    writer.execute("DELETE FROM registered_model_aliases WHERE (name, alias) = (?, ?)",
                   (name, alias))  # fmt: skip
    writer.execute("INSERT INTO registered_model_aliases VALUES (?, ?, ?)", (name, alias, version))
    writer.commit()


def test_a_commit_changes_the_stamp_and_reading_does_not(writer, uri):
    before = stamp(uri)
    assert before is not None
    assert aliases(uri) == {}
    assert stamp(uri) == before
    put(writer, "churn", 1)
    assert stamp(uri) != before
    assert aliases(uri) == {"churn": "1"}


def test_reading_what_nobody_has_open_changes_no_stamp(writer, uri):
    writer.close()
    before = stamp(uri)
    assert aliases(uri) == {}
    assert stamp(uri) == before


def test_what_is_no_file_or_not_there_has_to_be_asked(tmp_path: Path) -> None:
    assert stamp("http://127.0.0.1:5000") is None
    assert stamp("file:///mlruns") is None
    assert stamp(f"sqlite:///{tmp_path}/nothing.db") is None


def test_where_the_aliases_stand_is_told_twice_after_each_commit(writer, uri):
    files = AliasFiles()
    put(writer, "churn", 1)
    put(writer, "fraud", 1)
    uris = [uri, "http://127.0.0.1:5000"]
    stand = {"churn": "1", "fraud": "1"}
    assert [files.written(uris) for _ in range(3)] == [{uri: stand}, {uri: stand}, {}]
    put(writer, "churn", 2)
    put(writer, "fraud", 2, alias="champion")
    stand = {"churn": "2", "fraud": "1"}
    assert [files.written(uris) for _ in range(3)] == [{uri: stand}, {uri: stand}, {}]
    writer.execute("DELETE FROM registered_model_aliases")
    writer.commit()
    assert files.written(uris) == {uri: {}}


def test_what_is_written_within_a_tick_of_the_clock_is_told_all_the_same(writer, uri, monkeypatch):
    monkeypatch.setattr("jupyter_deploy.supervisor.registry_file.stamp", lambda _: ((1, 1, 1),))
    files = AliasFiles()
    assert files.written([uri]) == {uri: {}}
    put(writer, "churn", 1)
    assert files.written([uri]) == {uri: {"churn": "1"}}


def test_what_nobody_has_written_to_is_not_opened(writer, uri, monkeypatch):
    files = AliasFiles()
    files.written([uri])
    files.written([uri])
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: pytest.fail("it was opened"))
    assert files.written([uri]) == {}


def test_a_file_of_another_form_tells_nothing_and_is_asked_again(writer, uri):
    files = AliasFiles()
    writer.execute("ALTER TABLE registered_model_aliases RENAME TO elsewhere")
    writer.commit()
    assert aliases(uri) is None
    assert files.written([uri]) == {}
    writer.execute("ALTER TABLE elsewhere RENAME TO registered_model_aliases")
    put(writer, "churn", 1)
    assert files.written([uri]) == {uri: {"churn": "1"}}


def test_what_mlflow_makes_is_read(tmp_path):
    from jupyter_deploy.registry.location import using

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with using(uri) as client:
        client.create_registered_model("churn")
        number = client.create_model_version("churn", source=str(tmp_path)).version
        client.set_registered_model_alias("churn", "active", number)
    assert aliases(uri) == {"churn": str(number)}
