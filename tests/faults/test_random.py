"""All faults at random, one after the other, while callers go on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.load import Load, Sent
from tests.faults.scene import TIMEOUT_SECONDS, Scene, kill

QUICK_FAULTS, LONG_SECONDS = 4, 30 * 60
ANSWERED = 0.9995


def strike(scene: Scene, load: Load, chance: random.Random) -> list[Sent]:
    """One fault; the requests that it may cost: those that a killed gateway had."""
    began, costly = time.monotonic(), False

    def stop_a_replica() -> None:
        os.kill(chance.choice(scene.replicas), signal.SIGSTOP)

    def kill_the_gateway() -> None:
        nonlocal costly
        costly = True
        kill(scene.gateway)

    faults: list[Callable[[], None]] = [
        lambda: kill(chance.choice(scene.replicas)),
        lambda: kill(*scene.replicas),
        stop_a_replica,
        kill_the_gateway,
        lambda: kill(scene.one.supervisor_pid()),
        lambda: kill(scene.one.supervisor_pid(), chance.choice(scene.replicas)),
    ]
    chance.choice(faults)()
    return load.ledger.in_flight(began, time.monotonic()) if costly else []


def endure(scene: Scene, load: Load, chance: random.Random, more: Callable[[int], bool]) -> None:
    struck, spared = 0, []
    while more(struck):
        load.after(chance.randrange(1, 100))
        spared += strike(scene, load, chance)
        scene.whole(60)
        struck += 1
    ledger = load.stop()
    ledger.nothing_wrong()
    allowed = set(map(id, spared))
    late = [one for one in ledger.failed if one.waited_out(TIMEOUT_SECONDS)]
    allowed |= set(map(id, late))
    failed = [one for one in ledger.failed if id(one) not in allowed]
    assert len(failed) <= (1 - ANSWERED) * len(ledger.sent), (ledger.outcomes, failed[:3])
    print(f"{struck} faults, {len(ledger.sent)} requests: {dict(ledger.outcomes)}")


def test_faults_at_random_give_no_wrong_answer_and_lose_next_to_nothing(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    endure(scene, load, chance, lambda struck: struck < QUICK_FAULTS)


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS + 600)
@pytest.mark.parametrize("chance", [0], indirect=True, ids=["once"])
def test_half_an_hour_of_faults_at_random(scene: Scene, load: Load, chance: random.Random) -> None:
    ends = time.monotonic() + LONG_SECONDS
    endure(scene, load, chance, lambda _: time.monotonic() < ends)
