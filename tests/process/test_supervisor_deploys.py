"""Deploys that fail, collide or are left behind: nothing half-done, and what served goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.models import BeginDeploy, DeployOptions, SubmitDeploy
from jupyter_deploy.core.contract import Contract, Form, Output, Tensor, Type
from jupyter_deploy.core.lifecycle.version import TRIALS
from jupyter_deploy.errors import (
    Conflict,
    DeployFailed,
    DeployInProgress,
    InvalidName,
    InvalidVersion,
    NotFound,
    NotReproduced,
    ReplicaFailed,
    UsageError,
    VersionExists,
)
from tests.process.stack import CONTRACT, ROWS, Stack, ended, me, ours, stack, times
from tests.support import wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        running.deploy("churn", 1.0)
        yield running


@pytest.fixture(autouse=True)
def what_served_goes_on_and_nothing_is_left(one: Stack) -> Iterator[None]:
    """Whatever a test does to its deploy: the first version answers, and no folder is left."""
    yield
    assert one.predict("churn") == [3.0, 7.0]
    assert one.endpoint("churn").active == "1.0.0"
    wait_until(lambda: not list((one.home / "staging").iterdir()))


def replicas_of(one: Stack) -> int:
    return len(list((one.home / "processes").glob("replica-*.json")))


def test_a_version_that_cannot_load_is_failed_with_the_last_lines_of_its_log(one: Stack) -> None:
    def model(x):
        return x

    ticket = one.begin("churn")
    manifest = one.fill(ticket, model)
    folder = Path(ticket.staging) / "model"
    (folder / "model.pkl").write_bytes(b"cnot_there_at_all\nthing\n.")
    from jupyter_deploy.registry.fetch import digest

    with pytest.raises(ReplicaFailed) as caught:
        one.submit(ticket, replace(manifest, digest=digest(folder)))
    assert caught.value.step == "prove"
    assert "No module named 'not_there_at_all'" in caught.value.detail
    assert "module 'not_there_at_all' is only found by the notebook" in caught.value.fix
    assert any("ModuleNotFoundError" in line for line in caught.value.log)
    failed = one.version("churn", ticket.version)
    assert (failed.state, failed.replicas) == ("failed", ())
    assert failed.log == caught.value.log
    assert replicas_of(one) == 1
    assert len(list((one.home / "versions").iterdir())) == 1


def test_a_version_whose_process_dies_is_failed_and_says_how(one: Stack) -> None:
    class Dies:
        def __reduce__(self):
            return os._exit, (3,)

    ticket = one.begin("churn")
    manifest = one.fill(ticket, Dies())
    with pytest.raises(ReplicaFailed, match="ended with status 3 while it loaded the model"):
        one.submit(ticket, manifest)


def test_a_replica_that_is_killed_as_it_loads_does_not_fail_the_deploy_that_waits_for_it(
    one: Stack, tmp_path: Path
) -> None:
    gate = tmp_path / "loading"
    gate.touch()

    class Waits:
        def __reduce__(self):
            path = str(gate)

            def load():
                import os
                import time

                while os.path.exists(path):
                    time.sleep(0.01)
                return lambda x: x.sum(axis=1)

            return load, ()

    def loading() -> list[int]:
        versions = one.endpoint("unlucky").versions
        replicas = [each for version in versions for each in version.replicas]
        return [r.pid for r in replicas if r.state == "starting" and r.pid is not None]

    one.deploy("unlucky")
    ticket = one.begin("unlucky")
    manifest = one.fill(ticket, Waits(), expected=ROWS.sum(axis=1))
    with ThreadPoolExecutor(1) as person:
        end = person.submit(one.submit, ticket, manifest)
        try:
            killed: set[int] = set()
            while len(killed) <= TRIALS:
                (victim,) = wait_until(lambda: set(loading()) - killed, 30)
                os.kill(victim, signal.SIGKILL)
                killed.add(victim)
        finally:
            gate.unlink()
        assert end.result(60).state == "done"
    said = [event.message for event in one.client.events() if event.version == ticket.version]
    assert any("was killed by SIGKILL while it loaded; a new one starts." in one for one in said)
    one.client.undeploy("unlucky", me())


def test_a_missing_interpreter_is_named(one: Stack) -> None:
    ticket = one.begin("churn")
    manifest = one.fill(ticket, times(1.0), python="/gone/bin/python")
    with pytest.raises(ReplicaFailed, match="/gone/bin/python cannot be started: No such file"):
        one.submit(ticket, manifest)


def test_answers_that_differ_stop_the_deploy_and_name_the_rows(one: Stack) -> None:
    ticket = one.begin("churn")
    manifest = one.fill(ticket, times(1.0), expected=np.array([3.0, 7.5]))
    with pytest.raises(NotReproduced) as caught:
        one.submit(ticket, manifest)
    assert "row 1: predictions is 7, in the notebook 7.5" in caught.value.detail
    assert "row 0" not in caught.value.detail
    assert "a notebook global" in caught.value.fix


def test_a_package_at_another_version_is_named_as_the_likely_cause(one: Stack) -> None:
    ticket = one.begin("churn")
    manifest = one.fill(ticket, times(1.0), expected=np.zeros(2), packages={"numpy": "0.0.1"})
    with pytest.raises(NotReproduced, match=r"the notebook has 0\.0\.1"):
        one.submit(ticket, manifest)


def test_a_model_that_is_not_deterministic_is_told_apart(one: Stack) -> None:
    def model(x):
        import random

        return x.sum(axis=1) * random.random()

    ticket = one.begin("churn")
    manifest = one.fill(ticket, model, expected=ROWS.sum(axis=1))
    with pytest.raises(NotReproduced, match="not deterministic"):
        one.submit(ticket, manifest)


def test_files_that_changed_on_the_way_are_refused(one: Stack) -> None:
    ticket = one.begin("churn")
    manifest = one.fill(ticket, times(1.0))
    with pytest.raises(DeployFailed, match="not those that were registered"):
        one.submit(ticket, replace(manifest, digest="0" * 64))


def test_a_number_is_never_used_twice_and_a_failed_one_is_passed_over(one: Stack) -> None:
    used = [version.version for version in one.endpoint("churn").versions]
    ticket = one.begin("churn")
    assert ticket.version not in used
    assert ticket.version.startswith("1.1.")
    one.client.abort_deploy(ticket.deploy_id)


def test_of_two_that_begin_at_once_one_wins_and_the_other_is_told_who(one: Stack) -> None:
    outcomes: list[object] = []

    def begin() -> None:
        try:
            outcomes.append(one.begin("twice"))
        except DeployInProgress as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, DeployInProgress)]
    assert f"{me().user} (python, process {os.getpid()}) is deploying 'twice' since" in str(refused)
    (ticket,) = [outcome for outcome in outcomes if not isinstance(outcome, DeployInProgress)]
    assert one.client.abort_deploy(ticket.deploy_id).state == "aborted"
    one.client.abort_deploy(one.begin("twice").deploy_id)


def test_a_holder_that_died_holds_nothing(one: Stack) -> None:
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(holder.pid).create_time()
    origin = me(pid=holder.pid, pid_started=started)
    old = one.client.begin_deploy("held", BeginDeploy(CONTRACT, origin))
    with pytest.raises(DeployInProgress, match=str(holder.pid)):
        one.begin("held")
    holder.kill()
    holder.wait()
    new = one.begin("held")
    assert not Path(old.staging).exists()
    with pytest.raises(NotFound):
        one.client.submit_deploy(old.deploy_id, SubmitDeploy(one.fill(new, times(1.0))))
    one.client.abort_deploy(new.deploy_id)


def test_what_a_dead_holder_left_is_tidied_without_being_asked(one: Stack) -> None:
    gone = me(pid=me().pid, pid_started=1.0)
    ticket = one.client.begin_deploy("left", BeginDeploy(CONTRACT, gone))
    wait_until(lambda: one.client.deploy_status(ticket.deploy_id).state == "aborted", 15)
    assert not Path(ticket.staging).exists()


def test_versions_that_cannot_come_next_are_refused_at_the_beginning(one: Stack) -> None:
    with pytest.raises(VersionExists, match=r"1\.0\.0 exists"):
        one.begin("churn", version="1.0.0")
    with pytest.raises(InvalidVersion, match="goes backwards"):
        one.begin("churn", version="0.9.0")
    with pytest.raises(InvalidVersion, match="not a version"):
        one.begin("churn", version="two")
    with pytest.raises(UsageError, match="cannot both"):
        one.begin("churn", version="3.0.0", bump="major")
    with pytest.raises(UsageError, match="0 replicas"):
        one.begin("churn", replicas=0)
    with pytest.raises(InvalidName):
        one.begin("Churn")


def test_a_contract_that_refuses_more_is_a_new_major_and_says_why(one: Stack) -> None:
    narrow = Contract(
        Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (3,)), output=Output(Type.FLOAT)
    )
    ticket = one.begin("churn", contract=narrow)
    assert ticket.version.startswith("2.0.")
    assert ticket.why == "a row has the shape (3,), it was (2,)"
    assert ticket.breaking == (ticket.why,)
    one.client.abort_deploy(ticket.deploy_id)


def test_a_deploy_can_be_given_up_while_it_runs(one: Stack) -> None:
    def model(x):
        import time

        time.sleep(60)

    ticket = one.begin("churn", timeout_seconds=1)
    manifest = one.fill(ticket, model, expected=ROWS.sum(axis=1))
    one.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
    wait_until(lambda: replicas_of(one) == 2)
    assert one.client.abort_deploy(ticket.deploy_id).state == "aborted"
    assert one.version("churn", ticket.version).state == "failed"
    wait_until(lambda: replicas_of(one) == 1)


def test_an_empty_staging_folder_is_refused_and_can_be_filled_and_submitted_again(
    one: Stack,
) -> None:
    ticket = one.begin("again")
    manifest = one.fill(ticket, times(1.0))
    model = Path(ticket.staging) / "model"
    model.rename(model.with_name("other"))
    with pytest.raises(UsageError, match="no model/"):
        one.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
    model.with_name("other").rename(model)
    one.submit(ticket, manifest)
    assert one.endpoint("again").active == "1.0.0"
    with pytest.raises((Conflict, NotFound)):
        one.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
    one.client.undeploy("again", me())


def test_a_staged_version_is_warm_and_gets_no_traffic_until_it_is_promoted(one: Stack) -> None:
    one.deploy("staged", 1.0)
    one.deploy("staged", 2.0, stage=True, replicas=2)
    endpoint = one.endpoint("staged")
    assert (endpoint.active, endpoint.standby) == ("1.0.0", "1.1.0")
    assert one.predict("staged") == [3.0, 7.0]
    assert len(one.replica_pids("staged", "1.1.0")) == 2
    from jupyter_deploy.client.models import ChangeTraffic

    assert one.client.promote("staged", ChangeTraffic(me())).warm
    assert one.predict("staged") == [6.0, 14.0]
    one.client.undeploy("staged", me())


def test_an_active_version_that_cannot_start_any_more_gives_the_traffic_back(one: Stack) -> None:
    one.deploy("broken", 1.0)
    one.deploy("broken", 2.0)
    number = max(int(folder.name) for folder in (one.home / "versions").iterdir())
    (one.home / "versions" / str(number) / "model" / "model.pkl").write_bytes(b"broken")
    (pid,) = one.replica_pids("broken", "1.1.0")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.endpoint("broken").active == "1.0.0", 90)
    assert wait_until(lambda: one.call("broken").status_code == 200)
    assert one.predict("broken") == [3.0, 7.0]
    failed = one.version("broken", "1.1.0")
    assert failed.state == "failed"
    assert "are not those that were deployed" in failed.reason
    last = [e for e in one.client.events() if e.endpoint == "broken"][-1]
    assert (last.kind, last.version) == ("version-failed", "1.1.0")
    one.client.undeploy("broken", me())


def test_a_version_that_cannot_start_with_none_to_return_to_stays_and_is_tried_again(
    one: Stack,
) -> None:
    one.deploy("alone", 1.0)
    number = max(int(folder.name) for folder in (one.home / "versions").iterdir())
    file = one.home / "versions" / str(number) / "model" / "model.pkl"
    good = file.read_bytes()
    file.write_bytes(b"broken")
    os.kill(one.replica_pids("alone", "1.0.0")[0], signal.SIGKILL)
    kinds = lambda: [e.kind for e in one.client.events() if e.endpoint == "alone"]  # noqa: E731
    wait_until(lambda: "version-failing" in kinds(), 90)
    assert one.endpoint("alone").state == "degraded"
    assert "are not those that were deployed" in one.version("alone", "1.0.0").reason
    file.write_bytes(good)
    wait_until(lambda: one.endpoint("alone").state == "serving", 60)
    assert one.version("alone", "1.0.0").reason == ""
    one.client.undeploy("alone", me())


def test_a_deploy_that_runs_when_the_supervisor_is_killed_has_failed(one: Stack) -> None:
    def model(x):
        import time

        time.sleep(60)

    ticket = one.begin("churn")
    manifest = one.fill(ticket, model, expected=ROWS.sum(axis=1))
    one.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
    wait_until(lambda: replicas_of(one) == 2)
    supervisor = one.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: ended(supervisor))
    one.client.close()
    one.client = connect()
    status = one.client.deploy_status(ticket.deploy_id)
    assert status.state == "failed"
    assert "supervisor ended while this deploy ran" in status.problem["detail"]
    assert one.version("churn", ticket.version).state == "failed"
    wait_until(lambda: replicas_of(one) == 1)


def test_an_open_deploy_survives_the_supervisor(one: Stack) -> None:
    ticket = one.begin("open")
    supervisor = one.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: ended(supervisor))
    one.client.close()
    one.client = connect()
    one.submit(ticket, one.fill(ticket, times(1.0)))
    assert one.predict("open") == [3.0, 7.0]
    one.client.undeploy("open", me())


def test_options_are_kept_by_the_next_version(one: Stack) -> None:
    one.deploy("kept", 1.0, replicas=2, timeout_seconds=7)
    one.deploy("kept", 2.0)
    assert len(one.replica_pids("kept", "1.1.0")) == 2
    one.client.undeploy("kept", me())
    assert DeployOptions().replicas is None
    wait_until(lambda: replicas_of(one) == 1)
    assert len([p for p in ours(one.home) if "jupyter_deploy.gateway" in p.cmdline()]) == 1
