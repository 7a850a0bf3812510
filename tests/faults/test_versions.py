"""Versions that cannot live: the one before serves, and the reason is told."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from jupyter_deploy.client.models import ChangeTraffic
from jupyter_deploy.core.lifecycle.backoff import FIRST_DELAY
from jupyter_deploy.core.lifecycle.version import TRIALS
from tests.faults.load import Load
from tests.faults.scene import NAME, REPLICAS, Scene, cpu_seconds, faulty, kill
from tests.process.stack import ROWS, launchers, me
from tests.support import wait_until

#: What the model of a replica that is killed as it loads takes for that.
LOAD_SECONDS = 0.5


def crashes_after(seconds: float, factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """A model whose process aborts so long after its first call, and up to a second more.

    Two that abort at one moment would be the fault of the request that was with one and then with
    the other, for all that anybody can know.
    """

    def model(x):
        import os
        import random
        import threading

        if not getattr(threading, "armed", False):
            threading.armed = True
            threading.Timer(seconds + random.SystemRandom().random(), os.abort).start()
        return x.sum(axis=1) * factor

    return model


def test_a_version_that_crashes_in_a_loop_is_failed_and_the_one_before_serves(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    seen = scene.last_event()
    load.factors.add(2.0)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    model = crashes_after(2.0, 2.0)
    scene.one.submit(ticket, scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 2))
    said = scene.until_event("version-failed", seen, 60).message
    assert ticket.version in said
    assert scene.active == "1.0.0"
    failed = scene.one.version(NAME, ticket.version)
    assert failed.state == "failed"
    assert "end soon after they are ready; the last one was killed by SIGABRT" in failed.reason
    load.after(50)
    # What waited for a replica of the new one was answered by the one that serves again.
    load.stop().nobody_noticed()


@pytest.mark.slow
def test_a_crash_loop_takes_no_more_than_a_twentieth_of_a_processor(
    scene: Scene, chance: random.Random
) -> None:
    """Supervisor, gateway, and whatever is started again and again; nobody calls meanwhile."""
    (launcher,), seen = wait_until(lambda: launchers(scene.one.home), 60), scene.last_event()
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    model = crashes_after(4.0, 9.0)
    scene.one.submit(ticket, scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 9))
    assert {psutil.Process(pid).ppid() for pid in scene.replicas} == {launcher}
    took, kinds = Spent(scene.one.supervisor_pid(), scene.gateway, launcher), set()
    while "version-failed" not in kinds:
        # It tells of the next by itself: asking again and again would cost more than the loop.
        for event in scene.one.client.events(seen, wait=60):
            seen, kinds = event.number, {*kinds, event.kind}
    print(f"given up after {took.seconds:.1f} s, of which {took.processor():.2f} s were used")
    assert took.processor() < 0.05 * took.seconds
    assert launchers(scene.one.home) == [launcher]


class Spent:
    """What processes have used of a processor since now; of the last one's children, too."""

    def __init__(self, *pids: int) -> None:
        self._pids, self._began = pids, time.monotonic()
        self._before = self._now()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def processor(self) -> float:
        return self._now() - self._before

    def _now(self) -> float:
        return sum(map(cpu_seconds, self._pids)) + cpu_seconds(self._pids[-1], children=True)


class Loads:
    """A model that multiplies by `factor`, and takes `seconds` to load.

    While `deadly` is there, who loads it ends: `how` says in which way, and when.
    """

    def __init__(
        self, factor: float, deadly: Path, seconds: float = 0.0, how: str = "killed"
    ) -> None:
        self.factor, self.deadly, self.seconds, self.how = factor, deadly, seconds, how

    def __reduce__(self):
        factor, deadly, seconds, how = self.factor, str(self.deadly), self.seconds, self.how

        def load():
            import os
            import signal
            import threading
            import time

            time.sleep(seconds)
            ends = os.path.exists(deadly)
            if ends and how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if ends and how == "cannot import":
                raise ImportError("No module named 'gone'")
            if ends and how == "aborts":
                os.abort()

            def model(x):
                if ends:
                    threading.Timer(0.05, os.abort).start()
                return x.sum(axis=1) * factor

            return model

        return load, ()


@pytest.mark.parametrize(
    "how",
    [
        "aborts",
        pytest.param("cannot import", marks=pytest.mark.slow),
        pytest.param("aborts when it has loaded", marks=pytest.mark.slow),
    ],
)
def test_a_version_that_ends_at_once_costs_no_more_than_a_twentieth_of_a_minute(
    scene: Scene, chance: random.Random, tmp_path: Path, how: str
) -> None:
    """It is known within seconds and not spread over the minute that it may take: callers wait."""
    (launcher,), seen = wait_until(lambda: launchers(scene.one.home), 60), scene.last_event()
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    model = Loads(5.0, tmp_path / "deadly", how=how)
    scene.one.submit(ticket, scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 5))
    model.deadly.touch()
    kill(*scene.replicas)
    took = Spent(scene.one.supervisor_pid(), scene.gateway, launcher)
    scene.until_event("version-failed", seen, 60)
    print(f"given up after {took.seconds:.1f} s, of which {took.processor():.2f} s were used")
    assert took.processor() < 0.05 * 60
    assert scene.active == "1.0.0"


@pytest.mark.slow
def test_a_version_that_is_killed_each_time_it_loads_is_failed_and_the_one_before_serves(
    scene: Scene, load: Load, chance: random.Random, tmp_path: Path
) -> None:
    """By itself or by somebody outside, nobody can know."""
    seen = scene.last_event()
    load.factors.add(7.0)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    model = Loads(7.0, tmp_path / "deadly")
    scene.one.submit(ticket, scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 7))
    supervisor = scene.one.supervisor_pid()
    began, before = time.monotonic(), cpu_seconds(supervisor)
    (tmp_path / "deadly").touch()
    kill(*launchers(scene.one.home), chance.choice(scene.replicas))
    said = scene.until_event("version-failed", seen, 60).message
    returned = time.monotonic()
    print(f"given up after {returned - began:.1f} s")
    assert f"{ticket.version} has failed; 1.0.0 serves" in said
    assert "was killed by SIGKILL while it loaded the model" in said
    assert cpu_seconds(supervisor) - before < 0.05 * max(60, returned - began)
    load.after(50)
    load.stop().nobody_noticed()


def test_replicas_that_are_killed_while_they_load_are_not_held_against_their_version(
    scene: Scene, load: Load, chance: random.Random, tmp_path: Path
) -> None:
    """More often than a version may fail by itself."""
    load.factors.add(8.0)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    # Long enough to be met while it loads.
    model = Loads(8.0, tmp_path / "deadly", LOAD_SECONDS)
    scene.one.submit(ticket, scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 8))
    serves = ticket.version
    load.after(50)
    kill(chance.choice(scene.replicas))
    killed: set[int] = set()

    def next_victims() -> set[int]:
        assert scene.active == serves
        return set(scene.loading) - killed

    while len(killed) < 2 * TRIALS:
        victim = wait_until(next_victims, 30).pop()
        kill(victim)
        killed.add(victim)
    # The wait before each is twice as long at most, as a model may do that to itself.
    scene.whole(scene.load_seconds + LOAD_SECONDS + 1 + FIRST_DELAY * 2.0 ** (2 * TRIALS - 1))
    load.after(50)
    load.stop().nobody_noticed()
    assert scene.active == serves
    scene.one.client.rollback(NAME, ChangeTraffic(me(), version="1.0.0"))


def test_when_the_interpreter_is_gone_what_runs_goes_on_and_traffic_returns(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    python = scene.one.home / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    seen = scene.last_event()
    load.factors.add(3.0)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    expected = ROWS.sum(axis=1) * 3
    manifest = scene.one.fill(ticket, faulty(3.0), expected=expected, python=str(python))
    scene.one.submit(ticket, manifest)
    python.unlink()
    load.after(50)
    assert scene.active == ticket.version
    victim = chance.choice(scene.replicas)
    kill(*launchers(scene.one.home), victim)
    said = scene.until_event("version-failed", seen, 60).message
    assert f"{ticket.version} has failed; 1.0.0 serves" in said
    reason = scene.one.version(NAME, ticket.version).reason
    assert f"The interpreter {python} cannot be started: No such file or directory" in reason
    load.after(50)
    load.stop().nobody_noticed()


def test_when_a_package_is_gone_what_runs_goes_on_and_traffic_returns(
    scene: Scene, load: Load, chance: random.Random, tmp_path: Path
) -> None:
    (tmp_path / "only_here.py").write_text("def total(x):\n    return x.sum(axis=1)\n")

    def model(x):
        from only_here import total

        return total(x) * 6.0

    seen = scene.last_event()
    load.factors.add(6.0)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    manifest = scene.one.fill(ticket, model, expected=ROWS.sum(axis=1) * 6)
    path = os.pathsep.join((str(tmp_path), manifest.environment["PYTHONPATH"]))
    manifest = replace(manifest, environment={**manifest.environment, "PYTHONPATH": path})
    scene.one.submit(ticket, manifest)
    shutil.rmtree(tmp_path)
    load.after(50)
    assert scene.active == ticket.version
    kill(*launchers(scene.one.home), chance.choice(scene.replicas))
    said = scene.until_event("version-failed", seen, 60).message
    assert f"{ticket.version} has failed; 1.0.0 serves" in said
    assert "ModuleNotFoundError: No module named 'only_here'" in said
    load.after(50)
    load.stop().nobody_noticed()
