"""A home that is spelled otherwise, has its sockets elsewhere, or whose files somebody removes."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from jupyter_deploy.cli.app import run
from jupyter_deploy.client.discovery import connect, running
from jupyter_deploy.client.paths import run_folder
from tests.process.damage import until_registrars_end
from tests.process.stack import Stack, ended, ours, stack, until_ready
from tests.support import wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        running.deploy("churn", replicas=2)
        yield running
        until_registrars_end(running)


def runs(one: Stack) -> tuple[tuple[int, ...], list[int]]:
    """The pids of gateway and replicas."""
    return one.client.status().gateway.pids, sorted(one.replica_pids("churn", "1.0.0"))


def supervisors(home: Path) -> list[int]:
    return [each.pid for each in ours(home) if each.cmdline()[-1] == "jupyter_deploy.supervisor"]


def die(one: Stack) -> None:
    """The supervisor is killed."""
    pid = one.supervisor_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: ended(pid))
    one.client.close()


def told(one: Stack, seen: int, kind: str) -> list[str]:
    return [event.message for event in one.client.events(after=seen) if event.kind == kind]


def test_a_supervisor_with_another_folder_for_what_is_temporary_takes_over_what_runs(
    one: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started by a shell, a job or a Jupyter server that has a TMPDIR of its own."""
    before, sockets = runs(one), run_folder(one.home)
    die(one)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    one.client = connect()
    assert runs(one) == before
    assert run_folder(one.home) == sockets
    assert one.predict("churn") == [3.0, 7.0]


def test_a_supervisor_that_comes_to_the_home_by_a_link_takes_over_what_runs(
    one: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = runs(one)
    (tmp_path / "link").symlink_to(one.home)
    die(one)
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "link"))
    one.client = connect()
    assert runs(one) == before
    assert one.predict("churn") == [3.0, 7.0]


def test_keys_are_found_in_a_home_that_was_moved_while_nothing_ran(tmp_path: Path) -> None:
    with stack(tmp_path / "here") as one, pytest.MonkeyPatch.context() as patch:
        one.deploy("churn")
        one.stop()
        one.home = one.home.rename(tmp_path / "there")
        patch.setenv("JUPYTER_DEPLOY_HOME", str(one.home))
        one.start()
        assert one.endpoint("churn").key_file == str(one.home / "keys" / "churn-notebook.key")
        assert one.predict("churn") == [3.0, 7.0]
        one.stop()


def test_a_copied_home_has_sockets_of_its_own(one: Stack, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(one.home / "supervisor.json", copy)
    assert run_folder(copy) != run_folder(one.home)


@pytest.mark.parametrize("length", [1, 80, 200])
def test_sockets_find_room_however_long_the_path_to_what_is_temporary_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    folder = tmp_path / ("t" * length)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    sockets = run_folder(tmp_path)
    place = sockets / "shared" / "gateway-63-b.counts"
    assert len(os.fsencode(place)) < 104
    assert sockets == run_folder(tmp_path)


def test_the_sockets_of_a_gateway_that_were_removed_are_put_back(one: Stack) -> None:
    """By a cleaner of temporary folders: the next supervisor would find nobody."""
    before = runs(one)
    sockets = list(run_folder(one.home).glob("gateway*"))
    for path in sockets:
        path.unlink()
    wait_until(lambda: all(path.exists() for path in sockets), 30)
    die(one)
    one.client = connect()
    assert runs(one) == before
    assert one.predict("churn") == [3.0, 7.0]


def test_an_upgrade_keeps_the_port_where_the_gateway_cannot_be_found(one: Stack) -> None:
    """The supervisor before has the socket, too, until the next one serves."""
    url, ((gateway,), _) = one.client.status().gateway.url, runs(one)
    seen = max(event.number for event in one.client.events())
    name = Path(psutil.Process(gateway).cmdline()[-1]).stem
    lending = run_folder(one.home) / f"{name}.sock.fd"
    lending.unlink()
    lending.mkdir()
    with ThreadPoolExecutor(1) as person:
        upgrade = person.submit(run, ["upgrade"])
        wait_until(lambda: ended(gateway), 90)
        lending.rmdir()
        assert upgrade.result(120) == 0
    one.client.close()
    one.client = connect()
    assert one.client.status().gateway.url == url
    what = "The gateway could not be taken over and was ended; a new one starts."
    assert told(one, seen, "gateway-hung") == [what]
    assert one.predict("churn") == [3.0, 7.0]


def test_a_gateway_that_starts_while_no_routes_can_be_written_gets_them_when_they_can(
    one: Stack,
) -> None:
    ((gateway,), replicas) = runs(one)
    blocked = one.home / "snapshot.new"
    blocked.mkdir()
    (one.home / "snapshot.json").unlink()
    os.kill(gateway, signal.SIGKILL)
    wait_until(lambda: one.client.status().gateway.pids not in ((), (gateway,)))
    key = one.key("churn")
    assert wait_until(lambda: one.call("churn", key=key)).status_code == 401
    blocked.rmdir()
    wait_until(lambda: one.call("churn", key=key).status_code == 200, 30)
    assert runs(one)[1] == replicas


def test_a_gateway_that_cannot_be_started_for_a_while_is_tried_every_second_and_that_is_said_once(
    one: Stack,
) -> None:
    seen = max(event.number for event in one.client.events())
    (gateway,) = one.client.status().gateway.pids
    told, log = Path(psutil.Process(gateway).cmdline()[-1]), one.home / "logs" / "supervisor.log"
    told.unlink()
    told.mkdir()
    os.kill(gateway, signal.SIGKILL)
    wait_until(lambda: log.read_text().count("a gateway cannot be started") >= 3, 20)
    told.rmdir()
    assert one.predict("churn") == [3.0, 7.0]
    said = [each.message for each in one.client.events(after=seen)]
    assert said == [
        f"The gateway (pid {gateway}) was killed by SIGKILL; a new one starts.",
        "The gateway cannot be started (Is a directory); it is tried again every second.",
    ]


def test_a_supervisor_that_has_no_room_for_another_file_writes_over_the_last_one(
    one: Stack,
) -> None:
    """As on a full disk: it takes over what runs, and is found."""
    before, file = runs(one), one.home / "supervisor.json"
    die(one)
    file.with_suffix(".new").mkdir()
    one.client = connect()
    file.with_suffix(".new").rmdir()
    assert runs(one) == before
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_supervisor_that_has_no_room_for_its_file_takes_over_and_is_found_when_it_has(
    one: Stack,
) -> None:
    before, file, log = runs(one), one.home / "supervisor.json", one.home / "logs/supervisor.log"
    die(one)
    file.unlink()
    file.with_suffix(".new").mkdir()
    with ThreadPoolExecutor(1) as person:
        found = person.submit(connect)
        wait_until(lambda: "supervisor.json cannot be written now" in log.read_text(), 60)
        file.with_suffix(".new").rmdir()
        one.client = found.result(60)
    assert runs(one) == before


def test_what_had_ended_with_a_supervisor_is_told(one: Stack) -> None:
    seen = max(event.number for event in one.client.events())
    ((gateway,), (first, second)) = runs(one)
    for pid in (one.supervisor_pid(), gateway, first):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: ended(gateway) and ended(first))
    one.client.close()
    one.client = connect()
    until_ready(one, "churn", "1.0.0", 2)
    said = [event.message for event in one.client.events(after=seen)]
    assert said[0].endswith("had ended without being stopped; this one takes over what runs.")
    assert said[1:3] == ["The gateway had ended as well; a new one starts.", "1 replica goes on."]
    assert second in one.replica_pids("churn", "1.0.0")


def test_a_lock_that_was_removed_is_put_back_and_nobody_else_comes_in(one: Stack) -> None:
    pid, lock = one.supervisor_pid(), one.home / "supervisor.lock"
    lock.unlink()
    wait_until(lock.exists, 30)
    one.client.close()
    (one.home / "supervisor.json").unlink()
    one.client = connect()
    assert one.supervisor_pid() == pid
    wait_until(lambda: supervisors(one.home) == [pid], 60)


def test_of_two_supervisors_the_first_one_goes_and_what_runs_goes_on(one: Stack) -> None:
    """The lock is removed, and another one comes in before that has been seen."""
    first, before = one.supervisor_pid(), runs(one)
    os.kill(first, signal.SIGSTOP)
    (one.home / "supervisor.lock").unlink()
    (one.home / "supervisor.json").unlink()
    one.client.close()
    one.client = connect()
    os.kill(first, signal.SIGCONT)
    wait_until(lambda: ended(first), 60)
    assert supervisors(one.home) == [one.supervisor_pid()]
    assert runs(one) == before
    assert one.predict("churn") == [3.0, 7.0]
    wait_until(running).close()


def test_a_home_that_is_away_for_a_while_costs_no_version_its_traffic(one: Stack) -> None:
    """As on a network file system: the replica that dies then cannot be started from its files."""
    version = one.deploy("churn", 2.0, replicas=2)
    seen = max(event.number for event in one.client.events())
    away, key = one.home.with_name("away"), one.key("churn")
    pids = until_ready(one, "churn", version, 2)
    one.home.rename(away)
    os.kill(pids[0], signal.SIGKILL)
    said = wait_until(lambda: told(one, seen, "replica-waits"), 20)
    why = f"{one.home / 'versions'} cannot be reached: No such file or directory."
    assert said == [f"A replica of churn {version} waits, and is tried every second. {why}"]
    assert one.predict("churn", key=key) == [6.0, 14.0]
    away.rename(one.home)
    until_ready(one, "churn", version, 2)
    assert one.endpoint("churn").active == version
    assert told(one, seen, "version-failed") == told(one, seen, "files-lost") == []
    assert len(told(one, seen, "replica-waits")) == 1
