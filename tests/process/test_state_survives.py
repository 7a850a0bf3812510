"""A state file that is damaged, while the supervisor runs and while it does not, comes back."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.models import CreateKey, EndpointStatus
from jupyter_deploy.errors import SupervisorUnavailable
from jupyter_deploy.supervisor.store import backups
from tests.faults.scene import kill
from tests.faults.slowness import slowness
from tests.process.stack import ROWS, Stack, ended, me, ours, stack, until_ready
from tests.support import wait_until

#: From a start with a damaged file to endpoints, keys and traffic as they were.
#: On an idle machine; a slower one is given as much longer as it takes to start a process.
BACK_SECONDS = 10.0


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        running.deploy("churn", 1.0)
        running.deploy("churn", 2.0)
        yield running
        until_registrars_end(running)


# --- ways to damage a file ------------------------------------------------------------------------


def wal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def checkpoint(file: Path) -> None:
    """Move what is in the -wal into the file, so that it is the file that is damaged."""
    with contextlib.closing(sqlite3.connect(file, timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def truncated(file: Path) -> None:
    checkpoint(file)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2 + 100)


def header_zeroed(file: Path) -> None:
    checkpoint(file)
    overwrite(file, 0, b"\0" * 100)


def page_random(file: Path) -> None:
    checkpoint(file)
    # The second page: the root of the first table, endpoints.
    overwrite(file, 4096, random.Random(1).randbytes(4096))


def emptied(file: Path) -> None:
    checkpoint(file)
    file.write_bytes(b"")


def removed(file: Path) -> None:
    checkpoint(file)
    file.unlink()


def wal_deleted(file: Path) -> None:
    assert wal(file).stat().st_size > 0
    wal(file).unlink()


def wal_random(file: Path) -> None:
    size = wal(file).stat().st_size
    assert size > 0
    overwrite(wal(file), 0, random.Random(2).randbytes(size))


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


WAYS = [truncated, header_zeroed, page_random, emptied, removed, wal_deleted, wal_random]


# --- coming back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["stopped", "running"])
@pytest.mark.parametrize("damage", WAYS)
def test_a_damaged_state_comes_back_and_nobody_who_calls_notices(
    one: Stack, damage: Callable[[Path], None], when: str
) -> None:
    with calling(one) as failed:
        before, secret = known(one)
        file = one.home / "state.db"
        if when == "stopped":
            kill_supervisor(one)
            damage(file)
        else:
            damage(file)
            assert one.predict("churn", key=secret) == [6.0, 14.0]
            kill_supervisor(one)
        began = time.monotonic()
        one.start()
        assert shape(one) == before
        took = time.monotonic() - began
        assert took < BACK_SECONDS or took < BACK_SECONDS * slowness()
        assert one.predict("churn", key=secret) == [6.0, 14.0]
        failed(one)
    what = recovered(one)
    assert "The backup of" in what
    assert one.client.status().supervisor.note == what
    assert what in (one.home / "logs" / "supervisor.log").read_text()


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


# --- looking --------------------------------------------------------------------------------------


def kill_supervisor(one: Stack) -> None:
    process = psutil.Process(one.supervisor_pid())
    process.kill()
    wait_until(lambda: ended(process.pid), 10)


def until_registrars_end(one: Stack) -> None:
    """That of a supervisor that was killed sees so once it has imported MLflow."""

    def none() -> bool:
        with contextlib.suppress(psutil.Error):
            return not any("jupyter_deploy.registry" in each.cmdline() for each in ours(one.home))
        return False

    wait_until(none, 60)


def known(one: Stack) -> tuple[tuple, str]:
    """What there is after a change that has a backup, and the key that it made."""
    issued = one.client.create_key(CreateKey("billing", ("churn",), me()))
    wait_until(lambda: issued.key.key_id in keys_in_newest_backup(one), 10)
    return shape(one), Path(issued.file).read_text()


def keys_in_newest_backup(one: Stack) -> set[str]:
    newest = backups.known(one.home / "backups")[0].path
    with contextlib.closing(sqlite3.connect(f"file:{newest}?immutable=1", uri=True)) as backup:
        return {key for (key,) in backup.execute("SELECT key_id FROM keys")}


def shape(one: Stack) -> tuple:
    """Endpoints, versions, traffic and keys: all that a person has made."""
    return [endpoint_shape(each) for each in one.client.endpoints()], one.client.keys()


def endpoint_shape(one: EndpointStatus) -> tuple:
    versions = [(each.version, each.state, each.created_at, each.origin) for each in one.versions]
    # A living process keeps its pid; after a stop there are none to keep.
    return one.name, one.url, one.active, one.standby, one.generation, one.key_file, versions


def recovered(one: Stack) -> str:
    """The sentence of the last recovery; the damaged files are where it says."""
    told = [event for event in one.client.events() if event.kind == "state-recovered"]
    what = told[-1].message
    _, found, rest = what.partition(" It lies in ")
    if found:
        folder = Path(rest.partition(". ")[0])
        assert folder.parent == one.home / "damaged"
        assert any(file.name.startswith("state.db") for file in folder.iterdir())
    return what


@contextlib.contextmanager
def calling(one: Stack) -> Iterator[Callable[[Stack], None]]:
    """Calls as long as the block runs; what it yields asserts that none of them failed."""
    import threading

    url, key = f"{one.endpoint('churn').url}/invocations", one.key("churn")
    codes: list[int] = []
    over = threading.Event()

    def call() -> None:
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(headers=headers, timeout=30) as caller:
            while not over.wait(0.02):
                answer = caller.post(url, json={"inputs": ROWS.tolist()})
                codes.append(answer.status_code)

    def none_failed(_: Stack) -> None:
        seen = len(codes)
        wait_until(lambda: len(codes) > seen, 10)
        assert set(codes) == {200}

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield none_failed
    finally:
        over.set()
        thread.join(40)
