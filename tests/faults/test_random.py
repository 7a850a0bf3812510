"""All faults at random, one after the other, while callers go on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.clock import Clock, libfaketime
from tests.faults.load import Load, Sent, peak_of
from tests.faults.scene import Scene
from tests.faults.strikes import Strikes
from tests.process.stack import stack

QUICK_FAULTS, LONG_SECONDS = 6, 30 * 60
ANSWERED = 0.9995


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock | None:
    return None if libfaketime() is None else Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def scene(clock: Clock | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    told = {} if clock is None else {"PYTHONPATH": str(clock.path)}
    with stack(tmp_path_factory.mktemp("home"), **told) as one:
        made = Scene(one)
        made.deploy(1.0)
        made.time_a_gateway()
        made.peak = peak_of(made.url, made.key)
        yield made


def endure(strikes: Strikes, more: Callable[[int], bool]) -> None:
    scene, load, chance = strikes.scene, strikes.load, strikes.chance
    struck: list[tuple[float, str]] = []
    spared: list[Sent] = []
    while more(len(struck)):
        load.after(chance.randrange(1, 100))
        strike = chance.choice(strikes.kinds)
        struck.append((time.monotonic(), strike.__name__))
        print(f"{struck[-1][0]:.1f} {strike.__name__}", flush=True)
        spared += strike()
        scene.whole(60)
    ledger = load.stop()
    ledger.nothing_wrong()
    allowed = set(map(id, spared))
    failed = [one for one in ledger.failed if id(one) not in allowed]
    print(f"{len(struck)} faults: {dict(Counter(name for _, name in struck))}")
    print(f"{len(ledger.sent)} requests: {dict(ledger.outcomes)}, of which at their cost")
    print(f"{dict(Counter(one.outcome for one in spared))}")
    print(f"and {len(failed)} others: {Counter(_after(struck, one) for one in failed)}")
    assert len(failed) <= (1 - ANSWERED) * len(ledger.sent), (ledger.outcomes, failed[:3])


def _after(struck: list[tuple[float, str]], one: Sent) -> str:
    """How a request ended, and the faults since the last one before it was sent."""
    before = [name for at, name in struck if at <= one.at][-1:]
    during = [name for at, name in struck if one.at < at < (one.answered or one.at)]
    return f"{one.outcome} after {', '.join([*before, *during])} ({one.seconds:.1f} s)"


def test_faults_at_random_give_no_wrong_answer_and_lose_next_to_nothing(
    scene: Scene, load: Load, chance: random.Random, clock: Clock | None
) -> None:
    endure(Strikes(scene, load, chance, clock), lambda struck: struck < QUICK_FAULTS)


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS + 600)
@pytest.mark.parametrize("chance", [0], indirect=True, ids=["once"])
def test_half_an_hour_of_faults_at_random(
    scene: Scene, load: Load, chance: random.Random, clock: Clock | None
) -> None:
    ends = time.monotonic() + LONG_SECONDS
    endure(Strikes(scene, load, chance, clock), lambda _: time.monotonic() < ends)
