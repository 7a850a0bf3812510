"""A supervisor that has died, is held by a signal, or is not found: what is said, what helps."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.cli.app import run
from jupyter_deploy.client import hung
from jupyter_deploy.client.absence import absence
from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.discovery import connect, running
from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.models import BeginDeploy, DeployTicket
from jupyter_deploy.client.paths import run_folder
from jupyter_deploy.client.process_state import is_stopped
from jupyter_deploy.errors import SupervisorUnavailable
from jupyter_deploy.failpoints import VARIABLE
from jupyter_deploy.server import watch
from tests.faults.failpoints import Failpoints
from tests.process.stack import (
    CONTRACT,
    Stack,
    ended,
    launchers,
    me,
    ours,
    stack,
    until_ready,
)
from tests.support import wait_until

Text = Callable[[], str]


@pytest.fixture(scope="module")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> Failpoints:
    return Failpoints(tmp_path_factory.mktemp("failpoints"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, failpoints: Failpoints) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home"), **{VARIABLE: str(failpoints.folder)}) as running:
        running.deploy("churn")
        yield running


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Text:
    return lambda: capsys.readouterr().out


def strike(one: Stack, number: signal.Signals) -> int:
    """The supervisor's pid, once the signal has done what it does."""
    pid = one.supervisor_pid()
    os.kill(pid, number)
    wait_until(lambda: ended(pid) or is_stopped(pid), 5)
    return pid


@contextlib.contextmanager
def hanging(one: Stack, failpoints: Failpoints) -> Iterator[Future[DeployTicket]]:
    """The supervisor's loop hangs, amid a deploy that has only just begun."""
    failpoints.arm("begin before", "hang")
    with ControlClient(one.client.socket) as other, ThreadPoolExecutor(1) as person:
        begun = person.submit(other.begin_deploy, "another", BeginDeploy(CONTRACT, me()))
        wait_until(failpoints.hangs)
        yield begun


def told(one: Stack) -> list[str]:
    return [event.message for event in one.client.events()]


def test_what_serves_without_a_supervisor_is_not_called_nothing(one: Stack, printed: Text) -> None:
    (gateway,) = one.client.status().gateway.pids
    pid = strike(one, signal.SIGKILL)
    assert run(["status"]) == 0
    said = printed()
    assert f"The supervisor (pid {pid}) has ended without being stopped." in said
    assert f"(pid {gateway}) goes on" in said
    assert run(["status", "--json"]) == 0
    found = json.loads(printed())["gateway"]
    assert found["pids"] == [gateway]
    assert httpx.get(f"{found['url']}/endpoints/churn/ping").status_code == 200
    with pytest.raises(SupervisorUnavailable, match="goes on without it at http"):
        connect(start=False)
    one.start()
    assert f"The supervisor (pid {pid}) had ended without being stopped" in " ".join(told(one))
    assert one.client.status().gateway.pids == (gateway,)


def test_one_that_a_signal_holds_is_replaced_by_whoever_needs_one(
    one: Stack, printed: Text
) -> None:
    replicas = one.replica_pids("churn", "1.0.0")
    pid = strike(one, signal.SIGSTOP)
    assert run(["status"]) == 0
    assert f"The supervisor (pid {pid}) is stopped by a signal." in printed()
    one.start()
    assert ended(pid)
    assert one.replica_pids("churn", "1.0.0") == replicas
    assert one.predict("churn") == [3.0, 7.0]


def test_one_that_a_signal_holds_is_replaced_where_a_jupyter_server_watches(one: Stack) -> None:
    assert watch.look() is watch.Seen.ALIVE
    pid = strike(one, signal.SIGSTOP)
    assert watch.look() is watch.Seen.DEAD
    one.start()
    assert ended(pid)


def test_one_that_runs_and_says_nothing_is_named(
    one: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_deploy.client.control.ControlClient.ping", lambda *_: 0)
    assert running() is None
    seen = absence()
    assert seen.alive
    assert not seen.held
    assert seen.what.startswith(f"The supervisor (pid {one.supervisor_pid()}) runs and does not")
    assert "ends it where it stays silent" in seen.fix


def test_one_that_hangs_is_replaced_by_whoever_needs_one_and_its_log_says_at_what(
    one: Stack, failpoints: Failpoints
) -> None:
    pid, replicas = one.supervisor_pid(), one.replica_pids("churn", "1.0.0")
    gateways = one.client.status().gateway.pids
    # Two at once, as a Jupyter server and a person might.
    with hanging(one, failpoints), ThreadPoolExecutor(2) as people:
        assert watch.look() is watch.Seen.ALIVE
        assert watch.look(ask=True) is watch.Seen.SILENT
        assert watch.should_start(watch.Seen.SILENT, first=False)
        clients = [each.result(120) for each in [people.submit(connect) for _ in range(2)]]
    assert ended(pid)
    failpoints.let_go()
    (now,) = {client.ping() for client in clients}
    for client in clients:
        client.close()
    one.start()
    assert one.supervisor_pid() == now
    assert one.replica_pids("churn", "1.0.0") == replicas
    assert one.client.status().gateway.pids == gateways
    assert one.predict("churn") == [3.0, 7.0]
    log = (one.home / "logs" / "supervisor.log").read_text()
    said = log.partition(f"(pid {pid}) has answered nobody and is ended, busy with:")[2]
    assert 'failpoints.py", line' in said


def test_one_that_only_hangs_for_a_while_is_waited_for(one: Stack, failpoints: Failpoints) -> None:
    pid = one.supervisor_pid()
    with hanging(one, failpoints) as begun, ThreadPoolExecutor(1) as person:
        waits = person.submit(connect)
        assert watch.look(ask=True) is watch.Seen.SILENT
        failpoints.let_go()
        with waits.result(60) as client:
            assert client.ping() == pid
            client.abort_deploy(begun.result(60).deploy_id)


def test_time_in_which_nobody_asked_is_no_silence(
    one: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks was asleep, or starved, and so was the supervisor, most likely."""
    monkeypatch.setattr(hung, "HUNG_SECONDS", 0.2)
    found = Supervisor.read(one.home / "supervisor.json")
    late, steady = hung.Patience(), hung.Patience()
    assert not late.is_over(found, planned=0.01)
    wait_until(lambda: steady.is_over(found, planned=10.0))
    assert not late.is_over(found, planned=0.01)


def test_its_file_and_its_socket_are_put_back(one: Stack) -> None:
    pid = one.supervisor_pid()
    one.client.close()
    (one.home / "supervisor.json").unlink()
    (run_folder(one.home) / "supervisor.sock").unlink()
    one.client = wait_until(running, 10)
    assert one.supervisor_pid() == pid


def test_replicas_that_only_those_who_are_connected_reach_are_replaced(one: Stack) -> None:
    """A cleaner of temporary folders has been there: the next gateway would find no replica."""
    before = set(one.replica_pids("churn", "1.0.0"))
    one.client.close()
    shutil.rmtree(run_folder(one.home))
    one.client = wait_until(running, 10)
    wait_until(lambda: before.isdisjoint(until_ready(one, "churn", "1.0.0", len(before))), 20)
    assert "its socket has been removed" in " ".join(told(one))
    (gateway,) = one.client.status().gateway.pids
    os.kill(gateway, signal.SIGKILL)
    wait_until(lambda: one.client.status().gateway.pids not in ((), (gateway,)), 10)
    assert one.predict("churn") == [3.0, 7.0]


def test_what_nobody_can_connect_to_is_not_taken_over(one: Stack) -> None:
    before = set(one.replica_pids("churn", "1.0.0"))
    strike(one, signal.SIGKILL)
    shutil.rmtree(run_folder(one.home))
    one.start()
    wait_until(lambda: before.isdisjoint(until_ready(one, "churn", "1.0.0", len(before))), 20)
    assert one.predict("churn") == [3.0, 7.0]


def test_a_launcher_that_nobody_can_use_does_not_outlive_its_supervisor(one: Stack) -> None:
    """Stopped: the next supervisor would wait for it at each start, and never end it."""
    forks = wait_until(lambda: launchers(one.home), 60)
    for pid in forks:
        os.kill(pid, signal.SIGSTOP)
    strike(one, signal.SIGKILL)
    one.start()
    wait_until(lambda: all(map(ended, forks)), 10)
    assert one.predict("churn") == [3.0, 7.0]


def test_stop_ends_what_a_supervisor_has_left_behind(tmp_path: Path, printed: Text) -> None:
    with stack(tmp_path) as one:
        one.deploy("churn")
        strike(one, signal.SIGKILL)
        assert run(["stop"]) == 0
        assert "Stopped" in printed()
        wait_until(lambda: not ours(one.home), 10)
        assert run(["stop"]) == 0
        assert printed() == "Nothing runs.\n"


def test_a_stop_whose_supervisor_dies_over_it_is_brought_to_its_end(tmp_path: Path) -> None:
    with stack(tmp_path) as one, ThreadPoolExecutor(1) as person:
        one.deploy("churn")
        pid = one.supervisor_pid()
        (gateway,) = one.client.status().gateway.pids
        # The stop waits for it.
        os.kill(gateway, signal.SIGSTOP)
        stopped = person.submit(run, ["stop"])
        wait_until(lambda: not (one.home / "supervisor.json").exists(), 20)
        os.kill(pid, signal.SIGKILL)
        assert stopped.result(120) == 0
        assert ours(one.home) == []
