"""The life of a replica: the table, and its invariants."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.lifecycle.backoff import (
    FIRST_DELAY,
    HEALTHY_SECONDS,
    LONGEST_DELAY,
    delay,
)
from jupyter_deploy.core.lifecycle.replica import (
    TRANSITIONS,
    AnsweredAgain,
    BecameReady,
    Drain,
    Event,
    Exited,
    Forget,
    Kill,
    Phase,
    Rebalance,
    Replica,
    Route,
    Spawn,
    StartAfter,
    StartDue,
    StopAsked,
    TookTooLong,
    Unroute,
    WasHung,
    WentSilent,
    decide,
)

EVENTS = [
    StartDue(), BecameReady(), TookTooLong(), WentSilent(), AnsweredAgain(), WasHung(), Exited(),
    StopAsked(),
]  # fmt: skip
#: A process exists in these phases, and in no other.
WITH_PROCESS = {Phase.STARTING, Phase.READY, Phase.EJECTED, Phase.STOPPING}

happenings = st.lists(st.tuples(st.sampled_from(EVENTS), st.floats(0, 100)), max_size=60)
jitters = st.floats(0, 1, exclude_max=True)


def live(replica: Replica, *events: Event, now: float = 0.0):
    """The replica and the actions of the last of `events`."""
    actions = ()
    for event in events:
        replica, actions = decide(replica, event, now=now, jitter=0.5)
    return replica, actions


def test_a_new_replica_is_started_at_once() -> None:
    replica, actions = live(Replica(), StartDue())
    assert (replica.phase, actions) == (Phase.STARTING, (Spawn(),))


def test_requests_are_routed_to_a_replica_when_it_is_ready_and_not_before() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady())
    assert (replica.phase, actions) == (Phase.READY, (Route(),))


def test_a_ready_replica_that_ends_is_unrouted_first_and_started_again_soon() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady(), Exited())
    assert replica.phase is Phase.WAITING
    assert actions == (Unroute(), StartAfter(0.5 * FIRST_DELAY))


def test_a_silent_replica_leaves_the_rotation_and_its_place_and_is_not_killed() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady(), WentSilent())
    assert (replica.phase, actions) == (Phase.EJECTED, (Unroute(), Rebalance()))


def test_a_silent_replica_that_answers_again_is_routed_to_again() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady(), WentSilent(), AnsweredAgain())
    assert (replica.phase, actions) == (Phase.READY, (Route(), Rebalance()))


def test_a_hung_replica_is_killed_and_its_place_is_taken_already() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady(), WentSilent(), WasHung())
    assert actions == (Kill(),)
    assert live(replica, Exited()) == (Replica(Phase.GONE), (Forget(),))


def test_a_stopped_replica_leaves_the_rotation_before_it_is_killed() -> None:
    _, actions = live(Replica(), StartDue(), BecameReady(), WasHung())
    assert actions == (Unroute(), Rebalance(), Kill())


def test_a_replica_that_takes_too_long_is_killed_and_then_started_again() -> None:
    replica, actions = live(Replica(), StartDue(), TookTooLong())
    assert (replica.phase, actions) == (Phase.STARTING, (Kill(),))
    assert live(replica, Exited())[0].phase is Phase.WAITING


def test_a_replica_that_serves_is_drained_when_it_is_asked_to_stop() -> None:
    replica, actions = live(Replica(), StartDue(), BecameReady(), StopAsked())
    assert (replica.phase, actions) == (Phase.STOPPING, (Unroute(), Drain()))
    replica, actions = live(replica, Exited())
    assert (replica.phase, actions) == (Phase.GONE, (Forget(),))


def test_a_replica_that_still_loads_is_killed_when_it_is_asked_to_stop() -> None:
    replica, actions = live(Replica(), StartDue(), StopAsked())
    assert (replica.phase, actions) == (Phase.STOPPING, (Kill(),))


def test_what_is_no_row_of_the_table_changes_nothing() -> None:
    for phase in Phase:
        replica = Replica(phase, ready_since=0.0 if phase is Phase.READY else None)
        for event in EVENTS:
            if (phase, type(event)) not in TRANSITIONS:
                assert decide(replica, event, now=1.0, jitter=0.5) == (replica, ())


def test_waits_double_up_to_half_a_minute() -> None:
    waits = [delay(failures, 0.5) * 2 for failures in range(12)]
    assert waits[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert waits[-1] == LONGEST_DELAY


@given(st.integers(0, 10_000), jitters)
def test_a_wait_is_never_longer_than_half_a_minute(failures: int, jitter: float) -> None:
    assert 0.0 <= delay(failures, jitter) <= LONGEST_DELAY


def test_a_minute_of_health_forgets_earlier_failures() -> None:
    tired = Replica(Phase.READY, failures=9, ready_since=0.0)
    _, (_, soon) = decide(tired, Exited(), now=HEALTHY_SECONDS, jitter=0.5)
    _, (_, late) = decide(tired, Exited(), now=HEALTHY_SECONDS - 1, jitter=0.5)
    assert (soon, late) == (StartAfter(0.5 * FIRST_DELAY), StartAfter(0.5 * LONGEST_DELAY))


@given(happenings, jitters)
def test_only_a_ready_replica_has_a_start_of_health(events, jitter: float) -> None:
    replica, now = Replica(), 0.0
    for event, passed in events:
        now += passed
        replica, _ = decide(replica, event, now=now, jitter=jitter)
        assert (replica.ready_since is not None) == (replica.phase is Phase.READY)


@given(happenings, jitters)
def test_at_most_one_process_and_never_routed_without_one(events, jitter: float) -> None:
    """Events come as a world makes them: only what exists ends, answers or falls silent."""
    replica, process, routed, timers, now = Replica(), False, False, 1, 0.0
    for event, passed in events:
        possible = {
            StartDue: timers > 0,
            Exited: process,
            BecameReady: process,
            TookTooLong: process,
            WentSilent: process,
            AnsweredAgain: process,
            WasHung: process,
            StopAsked: True,
        }
        if not possible[type(event)]:
            continue
        now += passed
        timers -= type(event) is StartDue
        process = process and type(event) is not Exited
        replica, actions = decide(replica, event, now=now, jitter=jitter)
        for action in actions:
            assert not (isinstance(action, Spawn) and process), "a second process"
            process = process or isinstance(action, Spawn)
            timers += isinstance(action, StartAfter)
            routed = (routed or isinstance(action, Route)) and not isinstance(action, Unroute)
            if isinstance(action, Kill | Drain):
                assert process
        assert timers <= 1, "two starts are under way"
        assert process == (replica.phase in WITH_PROCESS)
        assert routed == (replica.phase is Phase.READY)


@given(happenings, jitters)
def test_a_replica_that_was_asked_to_stop_is_never_started_again(events, jitter: float) -> None:
    replica, _ = decide(Replica(), StopAsked(), now=0.0, jitter=jitter)
    for event, passed in events:
        replica, actions = decide(replica, event, now=passed, jitter=jitter)
        assert not any(isinstance(action, Spawn | StartAfter | Route) for action in actions)


def test_events_and_actions_hold_no_clock() -> None:
    for event in EVENTS:
        assert not fields(event)
