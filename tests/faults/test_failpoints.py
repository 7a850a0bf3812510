"""A deploy that is cut anywhere leaves the old version or the new one, and nothing half-done."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_deploy.client.models import ChangeTraffic, CreateKey, RotateKey
from jupyter_deploy.errors import DeployError
from jupyter_deploy.failpoints import VARIABLE
from jupyter_deploy.pipeline.progress import KERNEL_STEPS, SUPERVISOR_STEPS
from tests.faults.failpoints import Failpoints, Kernels
from tests.faults.slowness import wait_scaled
from tests.process.stack import ROWS, Stack, me, stack, times
from tests.support import wait_until

#: How soon nothing is left of a deploy that was cut, on an idle machine.
CLEAN_SECONDS = 30.0
KINDS = ["kill", "raise", "full"]
#: Those whose leftovers are of different kinds; the slow form cuts at all that the code has.
SOME = ["register version", "submit after", "prove in"]


@pytest.fixture(scope="module")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failpoints]:
    folder = tmp_path_factory.mktemp("failpoints")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder))
        yield Failpoints(folder)


@pytest.fixture(scope="module")
def one(failpoints: Failpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running_stack:
        yield running_stack


@pytest.fixture(scope="module")
def kernels(one: Stack) -> Iterator[Kernels]:
    kernels = Kernels.start()
    yield kernels
    kernels.close()


@pytest.fixture(scope="module")
def names(failpoints: Failpoints, kernels: Kernels, one: Stack) -> list[str]:
    """All that a deploy passes, as the code itself has told; there is a version to lose now."""
    failpoints.reached()  # what the start of the supervisor has passed
    assert kernels.deploy("churn") == "deployed 1.0.0"
    names = failpoints.reached()
    for step in (*KERNEL_STEPS, *SUPERVISOR_STEPS):
        assert {f"{step} before", f"{step} in", f"{step} after"} <= set(names)
    return names


def cut(name: str, kind: str, failpoints: Failpoints, kernels: Kernels, one: Stack) -> None:
    failpoints.arm(name, kind)
    kernels.deploy("churn")
    assert failpoints.went_off(), f"{name} was not passed again"
    back(one)
    assert one.predict("churn") == pytest.approx([3.0, 7.0]), name
    try:
        wait_scaled(lambda: not left_behind(one), CLEAN_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"after {name}: {left_behind(one)}") from error
    again = kernels.deploy("churn")
    assert again.startswith("deployed"), f"after {name}: {again}"
    assert one.endpoint("churn").active == again.removeprefix("deployed ")
    assert one.predict("churn") == pytest.approx([3.0, 7.0]), name


@pytest.mark.parametrize("name", SOME)
def test_a_deploy_that_is_killed_leaves_the_old_version_or_the_new_one(
    name: str, names: list[str], failpoints: Failpoints, kernels: Kernels, one: Stack
) -> None:
    assert name in names
    cut(name, "kill", failpoints, kernels, one)


def test_a_deploy_whose_end_cannot_be_written_ends_all_the_same(
    names: list[str], failpoints: Failpoints, kernels: Kernels, one: Stack
) -> None:
    """Whatever the reason: its kernel would wait for ever, and nobody else could deploy."""
    cut("end before", "raise", failpoints, kernels, one)


def test_a_deploy_that_the_supervisor_lost_as_it_began_ends(
    names: list[str], failpoints: Failpoints, one: Stack
) -> None:
    """Its kernel cannot give it up: the connection that failed is closed, and it may be gone."""
    ticket = one.begin("churn")
    failpoints.arm("submit after", "raise")
    with contextlib.suppress(DeployError):
        one.submit(ticket, one.fill(ticket, times(2.0), expected=ROWS.sum(axis=1) * 2))
    assert failpoints.went_off()
    wait_scaled(lambda: not left_behind(one), CLEAN_SECONDS)
    assert one.deploy("churn", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(1800)
def test_a_deploy_cut_at_each_failpoint_leaves_the_old_version_or_the_new_one(
    kind: str, names: list[str], failpoints: Failpoints, kernels: Kernels, one: Stack
) -> None:
    for name in names:
        cut(name, kind, failpoints, kernels, one)


def back(one: Stack) -> None:
    """A supervisor that was killed is started again by whoever comes next.

    One that has failed and goes on has closed the connection: it is asked on another one.
    """
    one.start()


def left_behind(one: Stack) -> dict[str, object]:
    """Folders, locks, processes and half-made registrations of a deploy that was cut."""
    folders = list((one.home / "staging").iterdir())
    numbers = {path.name for path in (one.home / "versions").iterdir()}
    with contextlib.closing(sqlite3.connect(f"file:{one.home}/state.db?mode=ro", uri=True)) as db:
        held = db.execute(
            "SELECT count(*) FROM deploys WHERE state IN ('open', 'running')"
        ).fetchone()
        rows = db.execute("SELECT number, manifest ->> '$.registered.version', fate FROM versions")
        versions = list(rows)
    good = {str(number) for number, _, fate in versions if fate == "good"}
    processes = {
        path.stem.split("-")[1] for path in (one.home / "processes").glob("replica-*.json")
    }
    known = {registered for _, registered, _ in versions}
    left = {
        "staging": folders, "deploys": held[0], "versions": numbers - good,
        "processes": processes - good, "registered": registered_in_mlflow(one) - known,
    }  # fmt: skip
    return {what: some for what, some in left.items() if some}


def registered_in_mlflow(one: Stack) -> set[str]:
    file = one.home / "mlflow" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        found = db.execute(
            "SELECT version FROM model_versions WHERE name = 'churn' AND "
            "current_stage != 'Deleted_Internal'"
        )
        return {str(version) for (version,) in found}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_control_route_commits_is_there_whole_or_not_at_all(
    kind: str, names: list[str], failpoints: Failpoints, one: Stack
) -> None:
    def roll_back() -> None:
        one.client.rollback("churn", ChangeTraffic(me()))

    def promote() -> None:
        one.client.promote("churn", ChangeTraffic(me()))

    def create() -> None:
        one.client.create_key(CreateKey("billing", ("churn",), me()))

    def rotate() -> None:
        key = next(key for key in one.client.keys("churn") if key.consumer == "notebook")
        one.client.rotate_key(key.key_id, RotateKey(me()))

    actions = {
        "rolled-back": roll_back, "promoted": promote, "key-created": create, "key-rotated": rotate
    }  # fmt: skip
    for _ in range(2):  # two versions to roll back to, one after the other
        one.deploy("churn", 1.0)
    for action, act in actions.items():
        for where in ("before", "in", "after"):
            failpoints.arm(f"{action} {where}", kind)
            with contextlib.suppress(DeployError):
                act()
            assert failpoints.went_off(), (action, where)
            back(one)
            assert one.predict("churn")
            all_keys_are_good(one)
        act()


def test_a_key_that_has_been_committed_keeps_its_file_whatever_fails_after_it(
    names: list[str], failpoints: Failpoints, one: Stack
) -> None:
    failpoints.arm("key-created after", "raise")
    with contextlib.suppress(DeployError):
        one.client.create_key(CreateKey("auditing", ("churn",), me()))
    assert failpoints.went_off()
    back(one)
    (key,) = [key for key in one.client.keys("churn") if key.consumer == "auditing"]
    all_keys_are_good(one)
    failpoints.arm("key-rotated after", "raise")
    with contextlib.suppress(DeployError):
        one.client.rotate_key(key.key_id, RotateKey(me()))
    assert failpoints.went_off()
    back(one)
    all_keys_are_good(one)


def all_keys_are_good(one: Stack) -> None:
    """Each has its file, there is no other, and what it holds opens the endpoint."""
    assert set(keys_in(one)) == {str(file) for file in (one.home / "keys").iterdir()}
    for key in keys_in(one):
        secret = Path(key).read_text()
        wait_until(lambda secret=secret: one.call("churn", key=secret).status_code == 200)


def keys_in(one: Stack) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{one.home}/state.db?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT file FROM keys WHERE revoked_at IS NULL")
        return [file for (file,) in rows]


def test_without_the_variable_at_its_start_a_process_has_no_failpoint(tmp_path: Path) -> None:
    """Nothing that comes later turns it on."""
    (tmp_path / "armed").write_text("here: kill")
    code = (
        "import os; from jupyter_deploy import failpoints;"
        f"os.environ[failpoints.VARIABLE] = {str(tmp_path)!r}; failpoints.reach('here')"
    )
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["armed"]
    armed = subprocess.run(
        [sys.executable, "-c", code], env=environment | {VARIABLE: str(tmp_path)}, check=False
    )
    assert armed.returncode == -9
