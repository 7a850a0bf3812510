"""Two gateways at one port: what happens to one of them is not noticed by the other's callers."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.load import Load, Sent
from tests.faults.scene import Scene, kill
from tests.faults.slowness import wait_scaled
from tests.faults.test_gateways import BACK_SECONDS, NOTICED_SECONDS
from tests.process.stack import ended
from tests.support import wait_until

PROCESSES = 2


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("config")
    told = f"c.SupervisorApp.gateway_processes = {PROCESSES}\n"
    (folder / "jupyter_deploy_config.py").write_text(told)
    return {"JUPYTER_CONFIG_DIR": str(folder)}


def gateways(scene: Scene) -> set[int]:
    """Their pids, once all run."""

    def found() -> set[int] | None:
        pids = set(scene.one.client.status().gateway.pids)
        return pids if len(pids) == PROCESSES else None

    return wait_scaled(found, 10.0)


def longest_pause(answered: list[Sent], began: float) -> float:
    """The longest time since `began` in which nobody was answered."""
    times = sorted(one.answered for one in answered if (one.answered or 0.0) >= began)
    return max(after - before for before, after in zip([began, *times], times, strict=False))


def test_when_one_is_killed_only_what_it_had_is_lost_and_the_other_serves_on(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    victim = chance.choice(sorted(gateways(scene)))
    began = time.monotonic()
    kill(victim)
    gone = time.monotonic()
    load.after(100)
    ledger = load.stop()
    ledger.only_what_was_in_flight(began, gone)
    right = [one for one in ledger.sent if one.outcome == "right"]
    assert scene.in_time(longest_pause(right, began), BACK_SECONDS)
    assert victim not in gateways(scene)


def test_when_one_is_stopped_it_is_noticed_and_only_what_it_had_is_lost(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    victim, seen = chance.choice(sorted(gateways(scene))), scene.last_event()
    began = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    # It accepts nobody any more, so whoever connects is served by the other one.
    newcomer = load.ask([1.0, 0.0]).result(60)
    assert newcomer.outcome == "right"
    assert scene.in_time(newcomer.seconds, BACK_SECONDS)
    said = scene.until_event("gateway-hung", seen, NOTICED_SECONDS).message
    wait_until(lambda: ended(victim))
    gone = time.monotonic()
    load.after(100)
    ledger = load.stop()
    assert f"(pid {victim}) is stopped and is ended; another one takes its place." in said
    ledger.only_what_was_in_flight(began, gone)
    assert victim not in gateways(scene)
