"""One supervisor, from outside: deploys, rollbacks, deaths, the end and the start."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.models import ChangeTraffic
from jupyter_deploy.client.paths import run_folder
from jupyter_deploy.errors import (
    InvalidName,
    NotFound,
    NothingToRollBackTo,
    StaleGeneration,
    SupervisorUnavailable,
)
from tests.process.stack import ROWS, Stack, ended, me, ours, stack, until_ready
from tests.support import wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        yield running


def test_a_deploy_serves_the_model_and_says_what_it_did(one: Stack) -> None:
    ticket = one.begin("churn")
    assert (ticket.version, ticket.why, ticket.previous) == ("1.0.0", "first version", None)
    from tests.process.stack import ROWS, times

    manifest = one.fill(ticket, times(1.0), expected=ROWS.sum(axis=1))
    status = one.submit(ticket, manifest)
    assert [(step.name, step.state) for step in status.steps] == [
        ("prove", "done"),
        ("start", "done"),
        ("switch", "done"),
    ]
    assert "the same answers to 2 rows" in status.steps[0].detail
    assert one.predict("churn") == [3.0, 7.0]
    endpoint = one.endpoint("churn")
    assert (endpoint.state, endpoint.active, endpoint.standby) == ("serving", "1.0.0", None)
    assert not Path(ticket.staging).exists()


def test_who_follows_events_gets_each_as_a_line_of_json_as_it_comes(one: Stack) -> None:
    before = [event.number for event in one.client.events()]
    words = ["events", "--follow", "--json"]
    command = [sys.executable, "-c", "from jupyter_deploy.cli import main; main()", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        try:
            lines = map(json.loads, following.stdout)
            assert [next(lines)["number"] for _ in before] == before
            (pid,) = one.replica_pids("churn", "1.0.0")
            os.kill(pid, signal.SIGKILL)
            assert next(lines)["kind"] == "replica-ended"
        finally:
            following.terminate()
    until_ready(one, "churn", "1.0.0", 1)


def test_a_second_version_takes_the_traffic_and_the_first_stays_warm(one: Stack) -> None:
    before = one.replica_pids("churn", "1.0.0")
    assert one.deploy("churn", 2.0) == "1.1.0"
    assert one.predict("churn") == [6.0, 14.0]
    assert one.endpoint("churn").standby == "1.0.0"
    assert one.replica_pids("churn", "1.0.0") == before
    assert one.predict("churn", version="1.0.0") == [3.0, 7.0]


def test_a_rollback_to_a_warm_version_starts_nothing_and_says_its_time(one: Stack) -> None:
    before = one.replica_pids("churn", "1.0.0")
    changed = one.client.rollback("churn", ChangeTraffic(me()))
    assert (changed.version, changed.previous, changed.warm) == ("1.0.0", "1.1.0", True)
    assert changed.seconds > 0
    assert one.replica_pids("churn", "1.0.0") == before
    assert one.predict("churn") == [3.0, 7.0]


def test_rolling_forward_again_works(one: Stack) -> None:
    changed = one.client.promote("churn", ChangeTraffic(me()))
    assert (changed.version, changed.generation) == ("1.1.0", 4)
    assert one.predict("churn") == [6.0, 14.0]


def test_a_change_made_against_an_older_generation_is_refused(one: Stack) -> None:
    with pytest.raises(StaleGeneration, match="generation 4, yours is 3"):
        one.client.rollback("churn", ChangeTraffic(me(), generation=3))
    assert one.endpoint("churn").active == "1.1.0"


def test_a_third_version_retires_the_first_and_stops_its_processes(one: Stack) -> None:
    (retiring,) = one.replica_pids("churn", "1.0.0")
    one.deploy("churn", 3.0)
    wait_until(lambda: ended(retiring))
    assert [v.state for v in one.endpoint("churn").versions] == ["retired", "standby", "active"]


def test_a_rollback_to_a_retired_version_brings_its_replicas_up_first(one: Stack) -> None:
    changed = one.client.rollback("churn", ChangeTraffic(me(), version="1.0.0"))
    assert (changed.version, changed.warm) == ("1.0.0", False)
    assert one.predict("churn") == [3.0, 7.0]
    one.client.promote("churn", ChangeTraffic(me(), version="1.2.0"))


def test_a_killed_replica_comes_back_by_itself_and_an_event_says_so(one: Stack) -> None:
    seen = max(event.number for event in one.client.events())
    (pid,) = one.replica_pids("churn", "1.2.0")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.replica_pids("churn", "1.2.0") not in ([pid], []), 20)
    assert wait_until(lambda: one.call("churn").status_code == 200)
    kinds = [event.kind for event in one.client.events(after=seen)]
    assert kinds[:2] == ["replica-ended", "replica-ready"]
    said = one.client.events(after=seen)[0].message
    assert said == f"A replica of churn 1.2.0 (pid {pid}) was killed by SIGKILL; a new one starts."


def test_a_killed_gateway_comes_back_on_the_same_port_and_refuses_nobody(one: Stack) -> None:
    status = one.client.status().gateway
    os.kill(status.pids[0], signal.SIGKILL)
    # The kernel keeps the connection until the next gateway accepts it.
    assert one.predict("churn") == [9.0, 21.0]
    again = one.client.status().gateway
    assert again.url == status.url
    assert again.pids != status.pids


def test_a_killed_supervisor_is_replaced_and_nothing_is_restarted(one: Stack) -> None:
    replicas = one.replica_pids("churn", "1.2.0") + one.replica_pids("churn", "1.1.0")
    gateway, supervisor = one.client.status().gateway, one.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: ended(supervisor))
    url = f"{gateway.url}/endpoints/churn/invocations"
    key = next((one.home / "keys").glob("churn-notebook.key")).read_text()
    headers = {"authorization": f"Bearer {key}"}
    assert httpx.post(url, json={"inputs": [[1.0, 2.0]]}, headers=headers).status_code == 200
    one.client.close()
    one.client = connect()
    assert one.supervisor_pid() != supervisor
    assert one.client.status().gateway == gateway
    assert one.replica_pids("churn", "1.2.0") + one.replica_pids("churn", "1.1.0") == replicas
    assert one.predict("churn") == [9.0, 21.0]
    assert one.deploy("churn", 4.0) == "1.3.0"


def test_who_did_what_and_when_is_kept(one: Stack) -> None:
    entries = one.client.audit("churn")
    (made,) = [entry for entry in entries if entry.action == "key-created"]
    assert (made.generation, made.detail.rpartition(" ")[2]) == (1, "notebook")
    assert entries[0].action == "deployed"
    assert entries[0].detail == "all traffic from 1.2.0 to 1.3.0"
    assert [entry.generation for entry in entries] == sorted(
        (entry.generation for entry in entries), reverse=True
    )
    assert {entry.origin.user for entry in entries} == {me().user}


def test_metrics_and_logs_of_an_endpoint_can_be_read(one: Stack) -> None:
    one.predict("churn")
    wait_until(lambda: one.client.metrics("churn").requests > 0)
    assert isinstance(one.client.logs("churn"), list)
    assert one.client.errors("churn") == []


def test_what_is_not_there_is_named_with_what_is(one: Stack) -> None:
    with pytest.raises(NotFound, match=r"no endpoint 'chrun'\. Known: churn"):
        one.client.endpoint("chrun")
    with pytest.raises(NotFound, match=r"9\.9\.9"):
        one.client.rollback("churn", ChangeTraffic(me(), version="9.9.9"))
    with pytest.raises(InvalidName):
        one.client.endpoint("../etc")


def test_the_control_socket_is_for_this_user_alone(one: Stack) -> None:
    folder = run_folder(one.home)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "supervisor.sock").stat().st_mode) == 0o600
    # What a kernel wrote into its version's folder keeps its mode; the folder is closed.
    for path in (one.home, *one.home.iterdir(), *(one.home / "versions").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_second_supervisor_finds_the_lock_taken_and_ends_well(one: Stack) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "jupyter_deploy.supervisor"], timeout=30, capture_output=True
    )
    assert done.returncode == 0
    assert one.predict("churn") == [12.0, 28.0]


def test_a_replica_that_hangs_is_replaced_and_an_event_says_so(one: Stack) -> None:
    one.deploy("hung", 1.0, timeout_seconds=0.5)
    (pid,) = one.replica_pids("hung", "1.0.0")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: ended(pid), 20)
    wait_until(lambda: one.endpoint("hung").state == "serving")
    kinds = [event.kind for event in one.client.events() if event.endpoint == "hung"]
    assert "replica-hung" in kinds
    one.client.undeploy("hung", me())


def test_the_trace_of_a_model_that_raises_is_kept_under_the_requests_id(one: Stack) -> None:
    def model(x):
        if x[0, 0] < 0:
            raise ValueError("less than nothing")
        return x.sum(axis=1)

    ticket = one.begin("raises")
    one.submit(ticket, one.fill(ticket, model, expected=ROWS.sum(axis=1)))
    response = httpx.post(
        f"{one.endpoint('raises').url}/invocations",
        json={"inputs": [[-1.0, 2.0]]},
        headers={"authorization": f"Bearer {one.key('raises')}"},
    )
    assert response.status_code == 500
    assert "less than nothing" not in response.text
    (failure,) = wait_until(lambda: one.client.errors("raises"))
    assert failure.request_id == response.headers["x-request-id"]
    assert "less than nothing" in failure.trace
    one.client.undeploy("raises", me())


def test_stop_leaves_nothing_and_start_brings_everything_back(one: Stack) -> None:
    before, url, key = one.endpoint("churn"), one.client.status().gateway.url, one.key("churn")
    one.stop()
    assert not (one.home / "supervisor.json").exists()
    assert not run_folder(one.home).exists()
    with pytest.raises(SupervisorUnavailable):
        connect(start=False)
    one.start()
    until_ready(one, "churn", "1.3.0", 1)
    until_ready(one, "churn", "1.2.0", 1)
    after = one.endpoint("churn")
    assert (after.active, after.standby) == (before.active, before.standby)
    assert after.generation == before.generation
    assert one.client.status().gateway.url == url
    assert one.predict("churn", key=key) == [12.0, 28.0]
    (entry,) = [entry for entry in one.client.audit() if entry.action == "stopped"]
    assert (entry.endpoint, entry.origin.user) == ("", me().user)


def test_undeploy_stops_the_processes_and_keeps_history_and_keys(one: Stack) -> None:
    pids = one.replica_pids("churn", "1.3.0") + one.replica_pids("churn", "1.2.0")
    status = one.client.undeploy("churn", me())
    assert (status.state, status.active) == ("stopped", None)
    wait_until(lambda: all(map(ended, pids)))
    assert one.call("churn").status_code in (404, 503)
    assert len(one.client.keys("churn")) == 1
    with pytest.raises(NothingToRollBackTo):
        one.client.rollback("churn", ChangeTraffic(me()))
    one.client.rollback("churn", ChangeTraffic(me(), version="1.3.0"))
    assert one.predict("churn") == [12.0, 28.0]


def test_sigterm_ends_everything_as_stop_does(one: Stack) -> None:
    import psutil

    supervisor = psutil.Process(one.supervisor_pid())
    supervisor.terminate()
    supervisor.wait(30)
    assert [process.cmdline() for process in ours(one.home)] == []
