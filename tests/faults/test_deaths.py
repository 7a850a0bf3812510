"""Processes that are killed while callers wait: who notices, and how soon all is whole again."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jupyter_deploy.client.discovery import connect
from tests.faults.load import Load
from tests.faults.scene import DIES, REPLICAS, SLEEPS, TIMEOUT_SECONDS, Scene, kill
from tests.process.stack import ours
from tests.support import wait_until


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
    victims, began = scene.replicas, time.monotonic()
    kill(*victims)
    back = scene.serves_without(victims)
    scene.whole(scene.load_seconds + 1.5)
    load.after(50)
    ledger = load.stop()
    # Where loading takes longer than a request may wait, its caller is told to send it again.
    in_vain = ledger.in_vain(began, back, TIMEOUT_SECONDS)
    assert [one for one in ledger.failed if one not in in_vain] == []


def test_a_killed_supervisor_is_not_missed_and_the_next_one_restarts_nothing(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    replicas, gateway = scene.replicas, scene.gateway
    kill(scene.one.supervisor_pid())
    load.after(50)
    began = time.monotonic()
    scene.find_supervisor()
    assert scene.in_time(time.monotonic() - began, 5)
    assert (sorted(scene.replicas), scene.gateway) == (sorted(replicas), gateway)
    load.after(50)
    load.stop().nobody_noticed()


def test_supervisor_and_replica_killed_at_once_cost_no_request(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    victim, gateway = chance.choice(scene.replicas), scene.gateway
    survivors = set(scene.replicas) - {victim}
    kill(scene.one.supervisor_pid(), victim)
    began = time.monotonic()
    load.after(50)
    pids = scene.whole(5 + scene.load_seconds)
    assert scene.in_time(time.monotonic() - began, 5 + scene.load_seconds)
    assert survivors < set(pids)
    assert scene.gateway == gateway
    load.after(50)
    load.stop().nobody_noticed()


def test_a_request_that_kills_is_refused_after_two_and_the_version_stays(
    scene: Scene, unharmed: None, load: Load, chance: random.Random
) -> None:
    """1 % of what is asked is the same deadly row."""
    serves = scene.active
    seen, deadly = scene.last_event(), [float(chance.randrange(10**6)), DIES]
    asked = []
    for _ in range(5):
        load.after(100)
        asked.append(load.ask(deadly))
    own = [one.result(60) for one in asked]
    scene.whole(scene.load_seconds + 5)
    ledger = load.stop()
    assert {one.outcome for one in own} == {"500"}
    assert all("poisonous-request" in one.said for one in own)
    assert [one for one in ledger.failed if one not in own] == []
    deaths = [event for event in scene.events(seen) if event.kind == "replica-ended"]
    assert len(deaths) <= 2 + len(own) // 5
    assert scene.active == serves


def test_after_everything_was_killed_start_brings_everything_back(
    scene: Scene, chance: random.Random
) -> None:
    key, url = scene.key, scene.url
    everything = [process.pid for process in ours(scene.one.home)]
    assert len(everything) >= 2 + REPLICAS
    kill(*everything)
    began = time.monotonic()
    scene.one.client.close()
    scene.one.client = connect()
    scene.whole(3 + scene.load_seconds)
    print(f"whole again after {time.monotonic() - began:.2f} s")
    assert (scene.one.key("churn"), scene.one.endpoint("churn").url) == (key, url)
    assert scene.one.predict("churn") == [3.0, 7.0]


def test_a_stranger_with_the_pid_of_a_dead_replica_is_left_alone(
    scene: Scene, chance: random.Random
) -> None:
    """What a dead replica and a dead supervisor have noted names a process that is not ours."""
    identity = scene.one.home / "supervisor.json"
    # Not one of ours: it does not even know the home.
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={})
    try:
        kill(*[process.pid for process in ours(scene.one.home)])
        dead, *_ = (scene.one.home / "processes").glob("replica-*.json")
        note = dead.with_suffix(".pid")
        note.write_text(f"{stranger.pid} 12345")
        identity.write_text(json.dumps(json.loads(identity.read_text()) | {"pid": stranger.pid}))
        scene.one.client.close()
        scene.one.client = connect()
        scene.whole(3 + scene.load_seconds)
        assert stranger.poll() is None
        assert stranger.pid not in scene.replicas
        assert not note.exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_replicas_go_before_the_gateway_when_memory_runs_out(
    scene: Scene, chance: random.Random
) -> None:
    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    assert all(score(pid) > score(scene.gateway) for pid in scene.replicas)


@pytest.mark.parametrize("told", ["the supervisor", "everybody"])
def test_sigterm_loses_nothing_in_flight_and_leaves_no_process(
    scene: Scene, load: Load, told: str, chance: random.Random
) -> None:
    supervisor = psutil.Process(scene.one.supervisor_pid())
    everybody = ours(scene.one.home)
    chance.shuffle(everybody)
    long = load.ask([TIMEOUT_SECONDS * 0.3, SLEEPS])
    wait_until(lambda: any(one.row[1] == SLEEPS for one in load.ledger.sent))
    began = time.monotonic()
    for process in [supervisor] if told == "the supervisor" else everybody:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    supervisor.wait(scene.scaled(30))
    ended = time.monotonic()
    assert ours(scene.one.home) == []
    assert long.result(60).outcome == "right"
    # Nobody listens any more: who comes now is refused, who was there has been answered.
    broken = [one for one in load.ledger.in_flight(began) if one.outcome != "right"]
    assert broken == []
    scene.one.client.close()
    scene.one.client = connect()
    scene.whole(3 + scene.load_seconds)
    load.after(20)
    late = [one for one in load.stop().failed if one.at > ended]
    assert all(one.outcome.startswith("refused") for one in late)
