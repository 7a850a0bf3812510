"""The state file: its journal, its backups, and what counts as damage."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from sqlalchemy import Connection
from sqlalchemy.event import listen, remove

from jupyter_deploy.client.models import Event
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.supervisor.store import Store, backups, writing
from jupyter_deploy.supervisor.store.filesystem import journal_mode
from tests.store.stores import adding, endpoints, with_store
from tests.support import wait_until
from tests.versions import MANIFEST, VERSION


@pytest.mark.parametrize(
    ("folder", "mode"),
    [
        ("/home/ada/jupyter-deploy", "WAL"),
        ("/mnt/team/home", "DELETE"),
        ("/mnt/team/scratch/home", "WAL"),
        ("/mnt/teammate/home", "WAL"),
        ("/mnt/windows/home", "DELETE"),
        ("/mnt/ssh/home", "DELETE"),
        ("/mnt/twice/home", "DELETE"),
    ],
)
def test_the_log_is_written_ahead_but_on_a_network_file_system(folder: str, mode: str) -> None:
    mounts = [
        ("/", "ext4"),
        ("/mnt/team", "nfs4"),
        ("/mnt/team/scratch", "xfs"),
        ("/mnt/windows", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/mnt/twice", "ext4"),
        ("/mnt/twice", "nfs"),
    ]
    assert journal_mode(PurePosixPath(folder), mounts) == mode


def test_where_nothing_is_known_of_mounts_the_log_is_written_ahead() -> None:
    assert journal_mode(PurePosixPath("/home/ada"), []) == "WAL"


def changes_in_backups(home: Path) -> list[int]:
    return [backup.change for backup in backups.known(home / "backups")]


def test_each_change_has_a_backup_and_the_last_five_stay(tmp_path: Path) -> None:
    with_store(tmp_path, adding(*"abcdefg"))
    assert changes_in_backups(tmp_path) == [7, 6, 5, 4, 3]


def test_changes_that_come_at_once_are_counted_each_and_keep_no_backup_from_being_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def add(store: Store) -> None:
        def adding(name: str) -> Coroutine[None, None, None]:
            return store.change(lambda connection: writing.endpoint(connection, name))

        await asyncio.gather(*map(adding, "abcdefgh"))
        for name in "ijklmnop":
            await asyncio.gather(adding(name), adding(name.upper()), store.back_up())

    with_store(tmp_path, add)
    assert caplog.text == ""
    assert changes_in_backups(tmp_path)[0] == 24


def test_an_event_is_no_reason_for_a_backup(tmp_path: Path) -> None:
    async def tell(store: Store) -> None:
        event = Event(1, 0.0, "", "", "adopted", "Something goes on.")
        await store.change(lambda connection: writing.event(connection, event))

    with_store(tmp_path, tell)
    assert changes_in_backups(tmp_path) == []


def test_a_backup_that_fails_spoils_no_change_and_is_taken_later(tmp_path: Path) -> None:
    (tmp_path / "backups").touch()

    async def use(store: Store) -> None:
        await store.change(lambda connection: writing.endpoint(connection, "churn"))
        assert not await store.back_up()
        (tmp_path / "backups").unlink()
        assert await store.back_up()

    with_store(tmp_path, use)
    assert changes_in_backups(tmp_path) == [1]


def test_a_backup_makes_no_home_in_the_place_of_one_that_is_away(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()

    async def use(store: Store) -> None:
        await store.change(lambda connection: writing.endpoint(connection, "churn"))
        home.rename(away)
        assert not await store.back_up()
        away.rename(home)
        assert await store.back_up()

    with_store(home, use)
    assert changes_in_backups(home) == [1]


def test_a_supervisor_that_died_before_the_backup_takes_it_when_it_starts(tmp_path: Path) -> None:
    with_store(tmp_path, adding("churn"))
    backups.known(tmp_path / "backups")[0].path.unlink()
    with_store(tmp_path, endpoints)
    assert changes_in_backups(tmp_path) == [1]


def test_a_row_that_nobody_can_have_written_is_damage(tmp_path: Path) -> None:
    with_store(tmp_path, adding("churn"))
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as other:
        other.execute("UPDATE endpoints SET history = '[1'")
        other.commit()

    async def use(store: Store) -> tuple[list[str], str]:
        assert store.recovery is not None
        return sorted(store.state.endpoints), store.recovery.why

    names, why = with_store(tmp_path, use)
    assert names == ["churn"]
    assert why.startswith("a row cannot be read")


def test_damage_where_a_start_does_not_read_is_seen_too(tmp_path: Path) -> None:
    async def fill(store: Store) -> None:
        await adding("churn")(store)
        events = [Event(n, 0.0, "", "", "adopted", "x" * 1000) for n in range(1, 50)]
        for event in events:
            await store.change(lambda connection, event=event: writing.event(connection, event))

    with_store(tmp_path, fill)
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as other:
        (size,) = other.execute("PRAGMA page_size").fetchone()
        found = "SELECT rootpage FROM sqlite_master WHERE name = 'events'"
        (root,) = other.execute(found).fetchone()
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)

    async def use(store: Store) -> tuple[list[str], bool]:
        return sorted(store.state.endpoints), store.recovery is not None

    assert with_store(tmp_path, use) == (["churn"], True)


def test_the_newest_backup_that_is_good_is_taken(tmp_path: Path) -> None:
    with_store(tmp_path, adding("first", "second", "third"))
    backups.known(tmp_path / "backups")[0].path.write_bytes(b"nothing that SQLite knows" * 400)
    (tmp_path / "state.db").write_bytes(b"")
    assert with_store(tmp_path, endpoints) == ["first", "second"]


def not_a_database(file: Path) -> None:
    file.write_bytes(b"nothing that SQLite knows" * 400)


def of_another_program(file: Path) -> None:
    execute(file, "PRAGMA application_id = 1")


def of_a_newer_release(file: Path) -> None:
    execute(file, "PRAGMA user_version = 99")


def with_a_bad_page(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * 4096)


def execute(file: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute(statement)
        other.commit()


@pytest.mark.parametrize(
    "spoil", [not_a_database, of_another_program, of_a_newer_release, with_a_bad_page]
)
def test_a_bad_backup_is_no_reason_to_leave_a_good_state(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    with_store(tmp_path, adding("churn"))
    good = backups.known(tmp_path / "backups")[0].path
    bad = good.with_name("state-00000009.db")
    shutil.copy(good, bad)
    spoil(bad)
    assert with_store(tmp_path, endpoints) == ["churn"]
    assert not (tmp_path / "damaged").exists()


@pytest.mark.parametrize("left", ["missing", "empty"])
def test_a_state_that_is_gone_with_its_backups_is_not_taken_for_a_new_home(
    tmp_path: Path, left: str
) -> None:
    """Routes have been written from a state: that there is none now is said."""
    (tmp_path / "snapshot.json").touch()
    if left == "empty":
        (tmp_path / "state.db").touch()

    async def why(store: Store) -> str:
        return "" if store.recovery is None else store.recovery.why

    assert with_store(tmp_path, why) == f"it is {left}"


def test_a_locked_state_is_not_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_deploy.supervisor.store.engine.BUSY_SECONDS", 0.05)
    with_store(tmp_path, adding("churn"))
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailable, match="locked"):
            with_store(tmp_path, endpoints)
    assert not (tmp_path / "damaged").exists()


def test_a_state_that_is_locked_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    async def use(store: Store) -> list[str]:
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            change = asyncio.ensure_future(store.change(lambda c: writing.endpoint(c, "churn")))
            # Looked at five times, so that one that does not wait has ended.
            for _ in range(5):
                await asyncio.to_thread(wait_until, lambda: waits_for_a_lock() or change.done())
                await asyncio.sleep(0.02)
            other.execute("ROLLBACK")
            await change
        return sorted(store.state.endpoints)

    assert with_store(tmp_path, use) == ["churn"]


def waits_for_a_lock() -> bool:
    """Whether a thread is in the statement that takes the lock."""
    frames = sys._current_frames().values()
    return any("_begin" in (one.name for one in traceback.extract_stack(f)) for f in frames)


def test_a_version_whose_commit_failed_gives_its_number_and_nothing_else(tmp_path: Path) -> None:
    def adding(name: str) -> Callable[[Connection], int]:
        def add(connection: Connection) -> int:
            writing.endpoint(connection, name)
            return writing.version(connection, starting(name))

        return add

    async def use(store: Store) -> tuple[int, str]:
        engine = store._engine
        listen(engine, "commit", fail)
        with pytest.raises(StateUnavailable, match="disk I/O error"):
            await store.change(adding("first"))
        remove(engine, "commit", fail)
        number = await store.change(adding("second"))
        kept = store.state.by_number(number)
        assert kept is not None
        return number, kept.manifest.registered.name

    assert with_store(tmp_path, use) == (1, "second")


def test_the_manifest_of_a_version_may_change_until_it_is_deployed(tmp_path: Path) -> None:
    async def use(store: Store) -> str:
        new = starting("churn")
        await store.change(lambda c: writing.endpoint(c, "churn"))
        number = await store.change(lambda c: writing.version(c, new))
        other = replace(new.manifest, example="{}")
        await store.change(lambda c: writing.manifest(c, number, other))
        await store.change(lambda c: writing.fate(c, number, "good"))
        kept = store.state.by_number(number)
        assert kept is not None
        return kept.manifest.example

    assert with_store(tmp_path, use) == "{}"


def fail(_: Connection) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def starting(name: str) -> Version:
    """A version of the endpoint `name` that is being deployed."""
    manifest = replace(MANIFEST, registered=replace(MANIFEST.registered, name=name))
    return replace(VERSION, endpoint=name, fate="starting", manifest=manifest)
