"""All faults at random, one after the other, while callers go on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.clock import Clock, libfaketime
from tests.faults.load import Load, Sent, peak_of
from tests.faults.scene import TIMEOUT_SECONDS, Scene
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
    struck: Counter[str] = Counter()
    spared: list[Sent] = []
    while more(struck.total()):
        load.after(chance.randrange(1, 100))
        strike = chance.choice(strikes.kinds)
        print(f"{time.monotonic():.1f} {strike.__name__}", flush=True)
        spared += strike()
        scene.whole(60)
        struck[strike.__name__] += 1
    ledger = load.stop()
    print(f"{dict(struck)}: {len(ledger.sent)} requests, {dict(ledger.outcomes)}")
    print(f"spared: {dict(Counter(one.outcome for one in spared))}")
    ledger.nothing_wrong()
    allowed = set(map(id, spared))
    late = [one for one in ledger.failed if one.waited_out(TIMEOUT_SECONDS)]
    allowed |= set(map(id, late))
    failed = [one for one in ledger.failed if id(one) not in allowed]
    assert len(failed) <= (1 - ANSWERED) * len(ledger.sent), (ledger.outcomes, failed[:3])


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
