"""Gateways that are killed, stopped or blocked: nobody is refused, and another one serves soon."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.faults.load import Load
from tests.faults.scene import TIMEOUT_SECONDS, Scene, kill
from tests.faults.slowness import wait_scaled
from tests.process.blocks import Blocks
from tests.process.stack import ended
from tests.support import wait_until

#: From the moment at which a gateway stops to the event that says so.
NOTICED_SECONDS = 2.0
#: The same for one that has never answered: it may only be slow to start.
START_NOTICED_SECONDS = 6.0
#: From the end of a gateway to the first answer of the next, beside what its start takes.
BACK_SECONDS = 0.5


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Blocks:
    return Blocks.make(tmp_path_factory.mktemp("blocks"))


@pytest.fixture(scope="module")
def environment(blocks: Blocks) -> dict[str, str]:
    return {"PYTHONPATH": str(blocks.folder)}


def another(scene: Scene, victim: int) -> int:
    """The gateway that serves in place of `victim`."""
    pids = wait_scaled(lambda: set(scene.one.client.status().gateway.pids) - {victim}, 10.0)
    return pids.pop()


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
    load.stop().only_what_was_in_flight(began, gone)
    # The caller's first answer: the gateway accepts before its links to the replicas are made.
    assert scene.in_time(back - gone, BACK_SECONDS + scene.gateway_start_seconds)


def test_a_stopped_gateway_is_noticed_and_another_one_serves_who_waited(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    """Nothing is ordered of it: it is only asked whether it still turns."""
    victim, seen, began = scene.gateway, scene.last_event(), time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    said = scene.until_event("gateway-hung", seen, NOTICED_SECONDS).message
    wait_until(lambda: ended(victim))
    gone = time.monotonic()
    back = load.answers_since(gone)
    scene.whole(scene.load_seconds + 1)
    load.after(50)
    ledger = load.stop()
    assert (
        said == f"The gateway (pid {victim}) is stopped and is ended; another one takes its place."
    )
    ledger.only_what_was_in_flight(began, gone)
    assert scene.in_time(back - gone, BACK_SECONDS + scene.gateway_start_seconds)
    assert [one.kind for one in scene.events(seen) if one.kind == "gateway-ended"] == []


def test_a_gateway_that_is_stopped_before_it_is_up_is_noticed_too(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    first, seen, began = scene.gateway, scene.last_event(), time.monotonic()
    kill(first)
    victim = another(scene, first)
    os.kill(victim, signal.SIGSTOP)
    said = scene.until_event("gateway-hung", seen, START_NOTICED_SECONDS).message
    wait_until(lambda: ended(victim))
    gone = time.monotonic()
    load.answers_since(gone)
    load.stop().only_what_was_in_flight(began, gone)
    assert (
        said == f"The gateway (pid {victim}) is stopped and is ended; another one takes its place."
    )


def test_a_gateway_that_is_stopped_as_the_supervisor_dies_goes_on_with_the_next_one(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    """It has the socket at which callers wait, and nobody else has."""
    victim = scene.gateway
    os.kill(victim, signal.SIGSTOP)
    kill(scene.one.supervisor_pid())
    scene.find_supervisor(5.0)
    load.after(50)
    ledger = load.stop()
    assert [one for one in ledger.failed if not one.waited_out(TIMEOUT_SECONDS)] == []
    assert scene.gateway == victim


def test_a_gateway_that_only_just_starts_as_the_supervisor_dies_keeps_who_waits_for_it(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    first, began = scene.gateway, time.monotonic()
    kill(first)
    gone = time.monotonic()
    victim = another(scene, first)
    # It is not further than this when the next supervisor looks for it.
    os.kill(victim, signal.SIGSTOP)
    kill(scene.one.supervisor_pid())
    newcomer = load.ask([1.0, 0.0])
    scene.find_supervisor(5.0)
    assert newcomer.result(60).outcome == "right"
    assert scene.gateway == victim
    load.after(50)
    load.stop().only_what_was_in_flight(began, gone)


def test_a_gateway_that_is_blocked_as_the_supervisor_dies_gives_its_socket_to_the_next_one(
    scene: Scene, load: Load, blocks: Blocks, chance: random.Random
) -> None:
    victim, began = scene.gateway, time.monotonic()
    with blocks.loop_of(victim):
        kill(scene.one.supervisor_pid())
        newcomer = load.ask([1.0, 0.0])
        scene.find_supervisor(5.0)
        assert newcomer.result(60).outcome == "right"
        assert another(scene, victim) != victim
    wait_scaled(lambda: ended(victim), 30.0)
    gone = time.monotonic()
    load.after(50)
    load.stop().only_what_was_in_flight(began, gone)


def test_a_blocked_gateway_is_replaced_and_loses_nothing_when_it_goes_on(
    scene: Scene, load: Load, blocks: Blocks, chance: random.Random
) -> None:
    victim, seen = scene.gateway, scene.last_event()
    with blocks.loop_of(victim):
        said = scene.until_event("gateway-silent", seen, NOTICED_SECONDS).message
        # Whoever comes now is served, while those who came before still wait.
        assert load.ask([1.0, 0.0]).result(60).outcome == "right"
        assert another(scene, victim) != victim
        assert not ended(victim)
    assert said.startswith(f"The gateway (pid {victim}) has been silent for ")
    assert said.endswith(" s; another one takes its place.")
    wait_scaled(lambda: ended(victim), 30.0)
    load.after(50)
    load.stop().nobody_noticed()


@pytest.mark.slow
def test_a_gateway_that_stays_blocked_is_ended(
    scene: Scene, load: Load, blocks: Blocks, chance: random.Random
) -> None:
    victim, began = scene.gateway, time.monotonic()
    with blocks.loop_of(victim):
        wait_scaled(lambda: ended(victim), 60.0)
    gone = time.monotonic()
    load.after(50)
    load.stop().only_what_was_in_flight(began, gone)
