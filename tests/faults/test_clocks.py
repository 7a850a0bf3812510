"""The wall clock jumps: nothing that waits, limits or tells processes apart goes by it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.client.models import CreateKey
from tests.faults.clock import Clock
from tests.faults.load import Load, peak_of
from tests.faults.scene import NAME, Scene, kill
from tests.process.stack import me, stack
from tests.support import wait_until

HOUR, YEAR = 3600, 366 * 24 * 3600


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def scene(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The scene of every fault, under a clock that can be moved."""
    with stack(tmp_path_factory.mktemp("home"), PYTHONPATH=str(clock.path)) as one:
        made = Scene(one)
        made.deploy(1.0)
        made.time_a_gateway()
        made.peak = peak_of(made.url, made.key)
        yield made


@pytest.fixture(autouse=True)
def set_right(clock: Clock) -> Iterator[None]:
    yield
    clock.move(0)


def a_key(scene: Scene, **limits) -> str:
    create = CreateKey("somebody", (NAME,), me(), **limits)
    return Path(scene.one.client.create_key(create).file).read_text()


def status(scene: Scene, key: str) -> int:
    body = {"inputs": [[1.0, 0.0]]}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{scene.url}/invocations", json=body, headers=headers).status_code


@pytest.mark.parametrize(
    "moved",
    [pytest.param(HOUR, marks=pytest.mark.slow), -HOUR, YEAR],
    ids=["hour", "back", "year"],
)
def test_a_clock_that_jumps_is_not_noticed(
    scene: Scene, load: Load, chance: random.Random, clock: Clock, moved: int
) -> None:
    key = a_key(scene, rate="3/day")
    assert [status(scene, key) for _ in range(4)] == [200, 200, 200, 429]
    seen, replicas, gateway = scene.last_event(), scene.replicas, scene.gateway
    supervisor = scene.one.supervisor_pid()
    clock.move(moved)
    load.after(50)
    assert status(scene, key) == 429
    assert (scene.replicas, scene.gateway) == (replicas, gateway)
    victim = chance.choice(replicas)
    kill(victim)
    scene.whole(scene.load_seconds + 1)
    at = scene.until_event("replica-ended", seen).at
    assert abs(at - time.time() - moved) < 600
    kill(supervisor)
    scene.find_supervisor()
    assert set(replicas) - {victim} < set(scene.replicas)
    assert scene.gateway == gateway
    clock.move(0)
    load.after(50)
    assert status(scene, key) == 429
    load.stop().nobody_noticed()


def test_only_the_end_of_a_key_goes_by_the_clock(scene: Scene, clock: Clock) -> None:
    key = a_key(scene, expires_seconds=30 * HOUR)
    assert status(scene, key) == 200
    clock.move(YEAR)
    wait_until(lambda: status(scene, key) == 401)
    clock.move(0)
    wait_until(lambda: status(scene, key) == 200)
