"""What a supervisor that finds its state damaged does with it; tests/faults has it under load."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import SupervisorUnavailable
from jupyter_deploy.supervisor.store import backups
from tests.faults.scene import kill
from tests.process.damage import (
    header_zeroed,
    kill_supervisor,
    known,
    overwrite,
    recovered,
    shape,
    until_registrars_end,
)
from tests.process.stack import ROWS, Stack, ended, stack, until_ready
from tests.support import wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        running.deploy("churn", 1.0)
        running.deploy("churn", 2.0)
        yield running
        until_registrars_end(running)


def test_a_gateway_that_dies_while_neither_state_nor_routes_can_be_read_serves_as_before(
    one: Stack,
) -> None:
    header_zeroed(one.home / "state.db")
    (one.home / "snapshot.json").write_bytes(b"{")
    (before,) = one.client.status().gateway.pids
    kill(before)
    assert one.predict("churn") == [6.0, 14.0]
    assert before not in one.client.status().gateway.pids
    kill_supervisor(one)
    one.start()
    assert "The backup of" in recovered(one)


def test_without_a_readable_state_a_gateway_serves_by_its_last_routes(one: Stack) -> None:
    """The state is of a newer release; supervisor and gateway are gone, the replicas are not."""
    before, secret = known(one)
    url = f"{one.endpoint('churn').url}/invocations"
    until_registrars_end(one)
    pids = one.client.status().gateway.pids
    kill_supervisor(one)
    kill(*pids)
    with schema_version(one.home / "state.db", 99):
        with pytest.raises(SupervisorUnavailable, match="written by a newer release"):
            connect()
        headers = {"authorization": f"Bearer {secret}"}
        answer = httpx.post(url, json={"inputs": ROWS.tolist()}, headers=headers)
        assert answer.json() == {"predictions": [6.0, 14.0]}
        # The next one finds it, and starts none beside it.
        with pytest.raises(SupervisorUnavailable):
            connect()
    one.start()
    assert shape(one) == before
    assert one.predict("churn", key=secret) == [6.0, 14.0]
    said = (one.home / "logs" / "supervisor.log").read_text()
    assert said.count("serves by its last routes; nobody watches over it") == 1


@contextlib.contextmanager
def schema_version(file: Path, number: int) -> Iterator[None]:
    """The file says that it has schema `number`, for a while."""

    def write(version: int) -> int:
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as other:
            before = other.execute("PRAGMA user_version").fetchone()[0]
            other.execute(f"PRAGMA user_version = {version}")
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return int(before)

    before = write(number)
    yield
    write(before)


def test_a_state_that_was_damaged_after_a_stop_starts_everything_as_it_was(one: Stack) -> None:
    before, secret = known(one)
    until_registrars_end(one)
    one.stop()
    header_zeroed(one.home / "state.db")
    one.start()
    assert shape(one) == before
    until_ready(one, "churn", "1.1.0", 1)
    assert one.predict("churn", key=secret) == [6.0, 14.0]


def test_an_undamaged_state_needs_no_recovery_and_says_nothing(one: Stack) -> None:
    set_aside = sorted((one.home / "damaged").glob("*"))
    kill_supervisor(one)
    one.start()
    assert one.client.status().supervisor.note == ""
    assert sorted((one.home / "damaged").glob("*")) == set_aside


def test_a_version_that_is_deployed_after_a_recovery_takes_no_number_that_was_lost(
    one: Stack,
) -> None:
    """Its folder would be the one of the lost version."""
    kill_supervisor(one)
    lost = one.home / "versions" / "99"
    lost.mkdir()
    one.start()
    one.deploy("churn", 2.0)
    assert (one.home / "versions" / "100" / "model").is_dir()


def test_backups_are_ours_alone_and_no_more_than_five(one: Stack) -> None:
    files = sorted((one.home / "backups").iterdir())
    assert len(files) == backups.KEPT
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_state_without_a_good_backup_starts_empty_and_says_what_it_ends(one: Stack) -> None:
    pids = one.replica_pids("churn", one.endpoint("churn").active or "")
    assert pids
    kill_supervisor(one)
    header_zeroed(one.home / "state.db")
    for backup in (one.home / "backups").iterdir():
        overwrite(backup, 0, b"\0" * 100)
    one.start()
    assert one.client.endpoints() == []
    what = recovered(one)
    assert "There is no good backup" in what
    assert "are lost" in what
    told = [event.message for event in one.client.events() if event.kind == "replica-unknown"]
    assert any(f"pid {pids[0]}" in message for message in told)
    wait_until(lambda: all(map(ended, pids)), 10)
    assert one.deploy("churn", 3.0) == "1.0.0"
