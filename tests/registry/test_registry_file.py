"""A registry in a file is asked only when somebody has written to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_deploy.supervisor.registry_file import stamp


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_commit_changes_the_stamp_and_reading_does_not(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "mlflow.db"
    uri = f"sqlite:///{file}"
    with closing(sqlite3.connect(file)) as writer, closing(sqlite3.connect(file)) as reader:
        writer.execute(f"PRAGMA journal_mode={mode}")
        writer.execute("CREATE TABLE aliases (name)")
        writer.commit()
        before = stamp(uri)
        assert before is not None
        assert reader.execute("SELECT * FROM aliases").fetchall() == []
        assert stamp(uri) == before
        writer.execute("INSERT INTO aliases VALUES ('active')")
        writer.commit()
        assert stamp(uri) != before


def test_what_is_no_file_or_not_there_has_to_be_asked(tmp_path: Path) -> None:
    assert stamp("http://127.0.0.1:5000") is None
    assert stamp("file:///mlruns") is None
    assert stamp(f"sqlite:///{tmp_path}/nothing.db") is None
