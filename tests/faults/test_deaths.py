"""Processes that are killed while callers wait: who notices, and how soon all is whole again."""

from __future__ import annotations

import random
import time

from tests.faults.load import Load
from tests.faults.scene import Scene, kill


def test_a_killed_replica_costs_no_request(scene: Scene, load: Load, chance: random.Random) -> None:
    seen, victim = scene.last_event(), chance.choice(scene.replicas)
    kill(victim)
    pids = scene.whole(scene.load_seconds + 1)
    load.after(50)
    load.stop().nobody_noticed()
    assert victim not in pids
    said = scene.until_event("replica-ended", seen).message
    assert f"(pid {victim}) was killed by SIGKILL; a new one starts." in said


def test_when_all_replicas_are_killed_requests_wait_for_the_new_ones(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    kill(*scene.replicas)
    scene.whole(scene.load_seconds + 1.5)
    load.after(50)
    load.stop().nobody_noticed()


def test_a_killed_gateway_refuses_nobody_and_loses_only_what_it_had(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    victim = scene.gateway
    began = time.monotonic()
    kill(victim)
    gone = time.monotonic()
    back = load.answers_since(gone)
    scene.whole(scene.load_seconds + 1)
    load.after(50)
    ledger = load.stop()
    assert set(map(id, ledger.failed)) <= set(map(id, ledger.in_flight(began, gone)))
    assert not [one for one in ledger.failed if one.outcome.startswith("refused")]
    # The caller's first answer: the gateway accepts before its links to the replicas are made.
    assert back - gone < scene.scaled(0.5) + scene.gateway_start_seconds
