"""Callers who go away in the middle: nobody else notices, and nothing of them stays."""

from __future__ import annotations

import contextlib
import random

import psutil
import pytest

from tests.faults.callers import ping, vanish
from tests.faults.load import Load
from tests.faults.scene import Scene
from tests.faults.slowness import wait_scaled


@pytest.fixture
def callers(request: pytest.FixtureRequest) -> int:
    return 10_000 if request.config.getoption("--all") else 1000


def test_callers_who_vanish_cost_nobody_anything(
    scene: Scene, load: Load, chance: random.Random, callers: int
) -> None:
    gateway, held = scene.gateway, psutil.Process(scene.gateway).num_fds()
    with contextlib.ExitStack() as silent:
        # Some do not even close: they ask once, and are never heard of again.
        assert {ping(scene.url, silent) for _ in range(callers // 10)} == {200}
        for _ in range(callers):
            vanish(scene.url, scene.key, chance)
        load.after(50)
    load.stop().nobody_noticed()
    assert scene.gateway == gateway
    wait_scaled(lambda: psutil.Process(gateway).num_fds() <= held, 30.0)
