"""Callers who go away in the middle: nobody else notices, and nothing of them stays."""

from __future__ import annotations

import contextlib
import random

import psutil
import pytest

from tests.faults.callers import begin, ping, vanish
from tests.faults.load import Load
from tests.faults.scene import Scene
from tests.faults.slowness import wait_scaled

#: What the gateway gives a caller for the head of a request, and before the next one.
HEAD_SECONDS, IDLE_SECONDS = 10.0, 75.0


@pytest.fixture
def everything(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all"))


def test_callers_who_vanish_cost_nobody_anything(
    scene: Scene, load: Load, chance: random.Random, everything: bool
) -> None:
    callers = 10_000 if everything else 1000
    gateway, held = scene.gateway, psutil.Process(scene.gateway).num_fds()
    with contextlib.ExitStack() as silent:
        # Some do not even close: they begin to ask, or ask once, and are never heard of again.
        for _ in range(callers // 10):
            begin(scene.url, silent)
        for _ in range(callers // 10 if everything else 0):
            assert ping(scene.url, silent) == 200
        for _ in range(callers):
            vanish(scene.url, scene.key, chance)
        load.after(50)
        load.stop().nobody_noticed()
        assert scene.gateway == gateway
        # Nobody closes them but the gateway.
        longest = IDLE_SECONDS if everything else HEAD_SECONDS
        wait_scaled(lambda: psutil.Process(gateway).num_fds() <= held, longest + 30.0)
