"""A supervisor that fails between the lock and its first answer leaves somebody who watches."""

from __future__ import annotations

import fcntl
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_deploy.cli.app import run
from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import SupervisorUnavailable
from jupyter_deploy.failpoints import VARIABLE
from tests.faults.failpoints import Failpoints
from tests.faults.load import Load
from tests.faults.scene import Scene, kill
from tests.support import wait_until

#: From the lock to the first answer; the list is that of supervisor/app.py.
LOCKED, STARTED = FAILPOINTS = ["supervisor locked", "supervisor started"]


@pytest.fixture(scope="module")
def failpoints(tmp_path_factory: pytest.TempPathFactory) -> Failpoints:
    return Failpoints(tmp_path_factory.mktemp("failpoints"))


@pytest.fixture(scope="module")
def environment(failpoints: Failpoints) -> dict[str, str]:
    return {VARIABLE: str(failpoints.folder)}


@pytest.fixture(autouse=True)
def nothing_is_armed(failpoints: Failpoints) -> Iterator[None]:
    yield
    failpoints.disarm()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (LOCKED, "kill"),
        pytest.param(STARTED, "raise", marks=pytest.mark.slow),
        pytest.param(LOCKED, "raise", marks=pytest.mark.slow),
        pytest.param(STARTED, "kill", marks=pytest.mark.slow),
    ],
)
def test_when_a_successor_fails_the_supervisor_before_goes_on(
    scene: Scene, load: Load, chance: random.Random, failpoints: Failpoints, name: str, kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before, seen = scene.one.supervisor_pid(), scene.last_event()
    gateway, replicas = scene.gateway, sorted(scene.replicas)
    failpoints.arm(name, kind)
    assert run(["upgrade"]) == 1
    assert failpoints.went_off()
    said = capsys.readouterr().err
    assert "The new supervisor did not take over: it ended with status" in said
    assert "The one before goes on." in said
    scene.find_supervisor()
    assert (scene.one.supervisor_pid(), scene.gateway) == (before, gateway)
    assert sorted(scene.replicas) == replicas
    told = scene.until_event("upgrade-failed", seen).message
    assert f"has died; the one before (pid {before}) goes on." in told
    # It watches as it did, and when nothing is wrong any more the same command succeeds.
    victim = chance.choice(replicas)
    kill(victim)
    assert victim not in scene.whole(scene.load_seconds + 1)
    assert run(["upgrade", "--json"]) == 0
    (part, *_) = json.loads(capsys.readouterr().out)["parts"]
    scene.one.client.close()
    scene.one.client = connect()
    assert (part["pid_before"], part["pid"]) == (before, scene.one.supervisor_pid())
    load.after(50)
    load.stop().nobody_noticed()


@pytest.mark.parametrize("name", [pytest.param(LOCKED, marks=pytest.mark.slow), STARTED])
def test_after_a_start_that_fails_the_next_one_finds_all_as_it_was(
    scene: Scene, load: Load, chance: random.Random, failpoints: Failpoints, name: str
) -> None:
    gateway, replicas = scene.gateway, sorted(scene.replicas)
    kill(scene.one.supervisor_pid())
    failpoints.arm(name, "kill")
    scene.one.client.close()
    with pytest.raises(SupervisorUnavailable):
        connect()
    assert failpoints.went_off()
    scene.one.client = connect()
    assert (scene.gateway, sorted(scene.replicas)) == (gateway, replicas)
    load.after(50)
    load.stop().nobody_noticed()


def test_whoever_finds_the_lock_taken_starts_a_supervisor_when_its_holder_has_failed(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    """Two start one at once: the second one's goes, as the first has the lock; then that dies."""
    log = scene.one.home / "logs" / "supervisor.log"
    kill(scene.one.supervisor_pid())
    scene.one.client.close()
    before = gone(log.read_text())
    with (scene.one.home / "supervisor.lock").open() as first, ThreadPoolExecutor(1) as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        started = second.submit(connect)
        wait_until(lambda: gone(log.read_text()) > before, 60)
        assert not started.done()
        fcntl.flock(first, fcntl.LOCK_UN)
        scene.one.client = started.result(60)
    load.after(50)
    load.stop().nobody_noticed()


def gone(log: str) -> int:
    """How many supervisors have found another one there."""
    return log.count("another supervisor runs for")


def test_no_failpoint_of_a_start_is_forgotten(
    scene: Scene, chance: random.Random, failpoints: Failpoints
) -> None:
    failpoints.reached()
    kill(scene.one.supervisor_pid())
    scene.find_supervisor()
    assert [name for name in failpoints.reached() if name.startswith("supervisor")] == FAILPOINTS
