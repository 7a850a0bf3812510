"""Replicas that live and do not answer: others are served, and another one takes the place."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from jupyter_deploy.core.health import SILENT_SECONDS
from tests.faults.leftovers import passing
from tests.faults.load import Load
from tests.faults.scene import (
    COMPUTES,
    NEVER_YIELDS,
    SLEEPS,
    TIMEOUT_SECONDS,
    Scene,
    cpu_seconds,
    faulty,
    kill,
)
from tests.process.stack import ROWS, ended, me
from tests.support import wait_until

EJECTED_SECONDS, REPLACED_SECONDS = 2.0, 5.0
#: A request may wait for a supervisor to start, also on a starved machine.
PATIENT_SECONDS = 60.0
#: A supervisor that was killed has a successor, which has taken over what runs, within this.
SUPERVISOR_SECONDS = 5.0
#: With so many busy processes on one core, a tenth of a second takes more than one.
CROWD = 12


@pytest.fixture
def patient(scene: Scene) -> Iterator[None]:
    """The version gives a request a minute."""
    scene.deploy(1.0, timeout_seconds=PATIENT_SECONDS)
    yield
    scene.deploy(1.0)


def test_a_stopped_replica_costs_no_request_and_is_replaced(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    seen, victim = scene.last_event(), chance.choice(scene.replicas)
    os.kill(victim, signal.SIGSTOP)
    said = scene.until_event("replica-hung", seen, EJECTED_SECONDS).message
    assert f"(pid {victim}) is stopped and is ended; another one takes its place." in said
    assert victim not in scene.whole(REPLACED_SECONDS - EJECTED_SECONDS + scene.load_seconds)
    load.after(50)
    load.stop().nobody_noticed()


def test_a_replica_that_is_stopped_as_the_supervisor_dies_is_ended_by_the_next_one(
    scene: Scene, patient: None, load: Load, chance: random.Random
) -> None:
    seen, victim = scene.last_event(), chance.choice(scene.replicas)
    os.kill(victim, signal.SIGSTOP)
    kill(scene.one.supervisor_pid())
    began = time.monotonic()
    scene.find_supervisor(SUPERVISOR_SECONDS)
    said = scene.until_event("replica-hung", seen, EJECTED_SECONDS).message
    assert scene.in_time(time.monotonic() - began, SUPERVISOR_SECONDS + EJECTED_SECONDS)
    assert f"(pid {victim}) is stopped and is ended; another one takes its place." in said
    assert victim not in scene.whole(REPLACED_SECONDS - EJECTED_SECONDS + scene.load_seconds)
    load.after(50)
    load.stop().nobody_noticed()


def test_a_new_supervisor_knows_from_the_gateway_how_long_a_replica_has_been_silent(
    scene: Scene, patient: None, load: Load, chance: random.Random
) -> None:
    """It was busy already while there was no supervisor: not the time that this one has watched."""
    seen = scene.last_event()
    kill(scene.one.supervisor_pid())
    busy = load.ask([PATIENT_SECONDS / 3, SLEEPS])
    sent = wait_until(lambda: next((s for s in load.ledger.sent if s.row[1] == SLEEPS), None))
    wait_until(lambda: sent.seconds > EJECTED_SECONDS)
    began = time.monotonic()
    scene.find_supervisor(SUPERVISOR_SECONDS)
    said = scene.until_event("replica-silent", seen, EJECTED_SECONDS).message
    silent = re.search(r"has been silent for (\d+\.\d) s; another one takes its place", said)
    assert silent is not None
    # Longer than there has been a supervisor.
    assert float(silent[1]) > time.monotonic() - began
    own = busy.result(60)
    scene.whole(REPLACED_SECONDS + scene.load_seconds)
    load.after(50)
    # Where it shared its frame with others it was asked again elsewhere, and that took too long.
    assert [one for one in load.stop().failed if one is not own] == []


@pytest.mark.slow
def test_a_request_that_never_yields_costs_nobody_else_anything(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    seen, before = scene.last_event(), scene.replicas
    # A minute and more: where it has no processor of its own, it is given longer.
    asked = load.ask([600.0, NEVER_YIELDS])
    said = scene.until_event("replica-silent", seen, EJECTED_SECONDS + 1).message
    assert said.endswith("; another one takes its place.")
    (victim,) = [pid for pid in before if f"(pid {pid})" in said]
    busy = Busy(victim)
    scene.whole(REPLACED_SECONDS - EJECTED_SECONDS + scene.load_seconds)
    wait_until(lambda: ended(victim) or busy.used() > 2 * TIMEOUT_SECONDS + 10, 200)
    assert ended(victim), busy.used()
    load.after(50)
    own = asked.result(60)
    assert own.outcome == "504"
    # Where it shared its frame with others, it was asked again elsewhere, and does not yield there
    # either: that one is silent as well, and is killed later.
    wait_until(lambda: not passing(scene.one), 200)
    ledger = load.stop()
    assert [one for one in ledger.failed if one is not own] == []


class Busy:
    """What a process that does nothing but compute has used since it was first looked at."""

    def __init__(self, pid: int) -> None:
        self._pid, self._before = pid, cpu_seconds(pid)

    def used(self) -> float:
        """Seconds of a processor; none of a process that is gone."""
        try:
            return cpu_seconds(self._pid) - self._before
        except OSError:
            return 0.0


def test_a_long_call_within_its_time_is_answered_and_nothing_is_killed(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    scene.deploy(1.0)  # of which no long call is known that would make this one usual
    seen, before = scene.last_event(), scene.replicas
    own = load.ask([TIMEOUT_SECONDS * 0.6, SLEEPS]).result(60)
    scene.whole(REPLACED_SECONDS)
    ledger = load.stop()
    ledger.nobody_noticed()
    assert own.outcome == "right"
    events = scene.events(seen)
    assert "replica-answers" in [event.kind for event in events]
    # A replica that an earlier test has silenced may be ended meanwhile.
    ends = [event.message for event in events if event.kind in ("replica-hung", "replica-ended")]
    assert not [said for said in ends if any(f"(pid {pid})" in said for pid in before)]
    assert set(scene.replicas) & set(before)


def test_a_machine_without_a_free_processor_costs_no_healthy_replica_or_gateway(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    seen, before, gateway = scene.last_event(), scene.replicas, scene.gateway
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        until = time.monotonic() + 5
        wait_until(lambda: time.monotonic() > until, 60)
        load.after(20)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    load.stop().nobody_noticed()
    assert (scene.replicas, scene.gateway) == (before, gateway)
    kinds = [event.kind for event in scene.events(seen)]
    assert [kind for kind in kinds if kind.startswith(("replica-", "gateway-"))] == []


def test_time_that_a_replica_waits_for_a_processor_is_no_silence(
    scene: Scene, chance: random.Random
) -> None:
    """Its call takes seconds, of which it computes for a few tenths."""
    seen, before = scene.last_event(), scene.replicas
    core = min(os.sched_getaffinity(before[0]))
    alone = Load(scene.url, scene.key)
    with contextlib.ExitStack() as crowd:
        crowd.callback(alone.close)
        for _ in range(CROWD):
            # In a session of its own it has a share of its own; see sched(7), "autogroup".
            command = [sys.executable, "-c", "while True: pass"]
            hog = subprocess.Popen(command, start_new_session=True)
            crowd.callback(hog.wait)
            crowd.callback(hog.kill)
            os.sched_setaffinity(hog.pid, {core})
        cores = {pid: os.sched_getaffinity(pid) for pid in threads(before)}
        for pid in cores:
            os.sched_setaffinity(pid, {core})
        own = alone.ask([0.3, COMPUTES]).result(60)
        for pid, had in cores.items():
            os.sched_setaffinity(pid, had)
    assert own.outcome == "right"
    assert own.seconds > 2 * SILENT_SECONDS
    kinds = [event.kind for event in scene.events(seen)]
    assert [kind for kind in kinds if kind.startswith("replica-")] == []
    assert scene.replicas == before


def threads(pids: list[int]) -> list[int]:
    return [int(one) for pid in pids for one in os.listdir(f"/proc/{pid}/task")]


def test_the_only_replica_that_is_busy_is_helped_by_a_second(
    scene: Scene, chance: random.Random
) -> None:
    """Others are answered before the long call ends."""
    name = "lone"
    # Long enough for a second replica to start on this machine, short enough for a caller.
    busy = min(scene.scaled(10.0), 25.0)
    ticket = scene.one.begin(name, replicas=1, timeout_seconds=30)
    manifest = scene.one.fill(ticket, faulty(1.0), expected=ROWS.sum(axis=1))
    scene.one.submit(ticket, manifest)
    url, key = scene.one.endpoint(name).url, scene.one.key(name)
    lone = Load(url, key)
    try:
        long = lone.ask([busy, SLEEPS])
        wait_until(lambda: lone.ledger.sent)
        short = lone.ask([1.0, 0.0]).result(60)
        assert short.outcome == "right"
        assert not long.done()
        assert long.result(60).outcome == "right"
    finally:
        lone.close()
        scene.one.client.undeploy(name, me())
