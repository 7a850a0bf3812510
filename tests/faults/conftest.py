"""A stack with two replicas under half of its peak load, and the rules of every fault's test.

Quick (CI): each fault once.  `pytest tests/faults --all`: each again and again at random moments,
and those that take minutes.  Moments are random from a seed that is printed with a failure;
`--seed N` repeats it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import leftovers
from tests.faults.load import Load, peak_of, under_load
from tests.faults.scene import NAME, REPETITIONS, Scene
from tests.faults.slowness import slowness
from tests.process.stack import stack


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    own = any(mark.args[0] == "chance" for mark in metafunc.definition.iter_markers("parametrize"))
    if "chance" in metafunc.fixturenames and not own:
        times = REPETITIONS if metafunc.config.getoption("--all") else 1
        metafunc.parametrize("chance", range(times), indirect=True, ids=str)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("slow") and not item.config.getoption("--all"):
        pytest.skip("runs with --all: pytest tests/faults --all")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """When and where faults strike."""
    seed = request.config.getoption("--seed")
    chosen = f"{seed if seed is not None else time.time_ns() % 10**6}"
    print(f"repeat this with --seed {chosen} (repetition {request.param})")
    return random.Random(f"{chosen} {request.param}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stack of a module is."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What the supervisor of a module is told beside its home."""
    return {}


@pytest.fixture(scope="module")
def scene(home: Path, environment: dict[str, str]) -> Iterator[Scene]:
    """Endpoint `churn` with two replicas of 1.0.0, in a supervisor of its own for each module."""
    with stack(home, **environment) as one:
        made = Scene(one)
        made.deploy(1.0)
        made.time_a_gateway()
        made.peak = peak_of(made.url, made.key)
        yield made


@pytest.fixture
def unharmed(scene: Scene, request: pytest.FixtureRequest) -> None:
    """Replicas that have not crashed of late: again and again would be a loop, and wait longer."""
    if request.node.callspec.params.get("chance"):
        scene.deploy(1.0)


@pytest.fixture
def load(scene: Scene, chance: random.Random) -> Iterator[Load]:
    """Half of peak, up to a random number of answers ahead of the fault."""
    factors = scene.factors
    with under_load(scene.url, scene.key, scene.peak, factors=factors) as running:
        running.after(chance.randrange(1, max(2, int(scene.peak / 2))))
        yield running
        running.ledger.nothing_wrong()


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the same is held as before, and only what ought to run runs."""
    if "scene" not in request.fixturenames:
        yield
        return
    scene: Scene = request.getfixturevalue("scene")
    scene.slowness = slowness()
    scene.whole(60)
    # A gateway that has only just started has opened little.
    assert scene.one.call(NAME).status_code == 200
    before = leftovers.held(scene.one)
    yield
    scene.whole(60)
    leftovers.nothing_more_than(before, scene.one, scene.scaled(leftovers.SECONDS))
