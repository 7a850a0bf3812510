"""The life of a version: when it is given up, by what its replicas tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.lifecycle import replica as life
from jupyter_deploy.core.lifecycle.backoff import HEALTHY_SECONDS, LONGEST_DELAY
from jupyter_deploy.core.lifecycle.version import (
    CRASHES,
    KILLS,
    KILLS_SECONDS,
    TRIALS,
    Event,
    GiveUp,
    Kills,
    Phase,
    ReplicaCrashed,
    ReplicaFailed,
    ReplicaKilled,
    ReplicaLived,
    ReplicaReady,
    Version,
    decide,
    is_failing,
    told_by,
)

READY, FAILED, CRASHED = ReplicaReady(), ReplicaFailed(), ReplicaCrashed()
LIVED, LIVED_AND_CRASHED = ReplicaLived(own_fault=False), ReplicaLived(own_fault=True)
EVENTS: list[Event] = [READY, FAILED, CRASHED, LIVED, LIVED_AND_CRASHED]

LOADING = life.Replica(life.Phase.STARTING)
SERVING = life.Replica(life.Phase.READY, ready_since=0.0)


def after(*events: Event) -> tuple[Version, int]:
    """The version, and how often it was said to be given up."""
    version, said = Version(), 0
    for event in events:
        version, actions = decide(version, event)
        said += actions == (GiveUp(),)
    return version, said


def test_a_version_is_given_up_after_three_failures_to_become_ready_and_that_is_said_once() -> None:
    assert after(*[FAILED] * (TRIALS - 1)) == (Version(failures=TRIALS - 1), 0)
    assert after(*[FAILED] * (TRIALS + 5)) == (Version(Phase.GIVEN_UP, TRIALS + 5, 0), 1)


def test_one_replica_that_becomes_ready_clears_the_version_of_failures() -> None:
    version, said = after(FAILED, FAILED, READY, FAILED, FAILED)
    assert (version, said) == (Version(failures=2), 0)


def test_a_version_that_crashes_again_and_again_after_it_was_ready_is_given_up() -> None:
    assert after(*[READY, CRASHED] * (CRASHES - 1))[1] == 0
    assert after(*[READY, CRASHED] * (CRASHES + 5)) == (Version(Phase.GIVEN_UP, 0, CRASHES + 5), 1)


def test_one_request_that_kills_is_refused_before_its_version_is_given_up() -> None:
    assert CRASHES > 2


def test_a_replica_that_lived_for_a_minute_clears_its_version_of_crashes() -> None:
    assert after(*[CRASHED] * (CRASHES - 1), LIVED)[0] == Version()
    assert after(*[CRASHED] * (CRASHES - 1), LIVED_AND_CRASHED)[0] == Version(crashes=1)


def test_a_version_whose_replicas_are_killed_while_they_load_is_not_given_up_for_that() -> None:
    at_once = [ReplicaKilled(at=number / 10) for number in range(100)]
    assert after(*at_once) == (Version(kills=Kills(100, 0.0, 9.9)), 0)
    # However long ago the first was: one of them became ready in between, or there were few.
    assert after(ReplicaKilled(0.0), READY, *[ReplicaKilled(1000.0)] * 99)[1] == 0
    assert after(ReplicaKilled(0.0), *[ReplicaKilled(1000.0)] * (KILLS - 2))[1] == 0


def test_a_version_of_which_none_can_load_without_being_killed_is_given_up_all_the_same() -> None:
    kills = [ReplicaKilled(at=100.0 + number) for number in range(60)]
    version, said = after(*kills[: int(KILLS_SECONDS)])
    assert (version.phase, said) == (Phase.ON_TRIAL, 0)
    version, said = after(*kills)
    assert (version.phase, said) == (Phase.GIVEN_UP, 1)
    # Also where the waits between two starts are as long as they may be.
    assert KILLS_SECONDS + LONGEST_DELAY < 60
    assert decide(version, READY)[0] == Version()


def test_one_that_could_not_start_and_can_is_given_up_anew_when_it_cannot_again() -> None:
    assert after(*[FAILED] * TRIALS, READY, *[FAILED] * TRIALS)[1] == 2


@pytest.mark.parametrize(
    ("replica", "event", "now", "own_fault", "told"),
    [
        (LOADING, life.BecameReady(), 1.0, True, READY),
        (LOADING, life.Exited(), 1.0, False, FAILED),
        (LOADING, life.Exited(), 1.0, True, FAILED),
        (LOADING, life.Exited(life.Cause.KILLED), 1.0, False, ReplicaKilled(1.0)),
        (LOADING, life.Exited(life.Cause.NO_ROOM), 1.0, True, None),
        (SERVING, life.Exited(), 1.0, True, CRASHED),
        (SERVING, life.Exited(), 1.0, False, None),
        (SERVING, life.Exited(), HEALTHY_SECONDS, True, LIVED_AND_CRASHED),
        (SERVING, life.Exited(), HEALTHY_SECONDS, False, LIVED),
        (SERVING, life.WasHung(), 1.0, True, None),
        (life.Replica(life.Phase.STOPPING), life.Exited(), 1.0, True, None),
        (life.Replica(life.Phase.EJECTED), life.Exited(), 1.0, True, None),
    ],
)
def test_what_a_replica_tells_of_its_version(replica, event, now, own_fault, told) -> None:
    assert told_by(replica, event, now=now, own_fault=own_fault) == told


@pytest.mark.parametrize(
    ("version", "ready_seconds", "failing"),
    [
        (Version(), None, False),
        (Version(), 0.0, False),
        (Version(failures=1), None, True),
        (Version(crashes=1), None, True),
        (Version(kills=Kills(1, 5.0, 5.0)), None, True),
        (Version(kills=Kills(1, 5.0, 5.0)), 0.0, False),
        (Version(crashes=CRASHES - 1), 0.0, False),
        (Version(Phase.GIVEN_UP, crashes=CRASHES), 0.0, True),
        (Version(Phase.GIVEN_UP, crashes=CRASHES), None, True),
        (Version(Phase.GIVEN_UP, crashes=CRASHES), HEALTHY_SECONDS, False),
    ],
)
def test_one_that_crashes_again_and_again_serves_once_it_has_lived(
    version, ready_seconds, failing
) -> None:
    assert is_failing(version, ready_seconds) == failing


@given(st.lists(st.sampled_from([*EVENTS, None]), max_size=60))
def test_a_version_is_given_up_exactly_when_it_has_failed_too_often(
    happened: list[Event | None],
) -> None:
    """Against the words of the docstring: counted anew from all that has happened.

    None is a kill while it loads; something happens every two seconds.
    """
    events = [event or ReplicaKilled(at=2.0 * number) for number, event in enumerate(happened)]
    version, given_up = Version(), False
    for number, event in enumerate(events, 1):
        version, actions = decide(version, event)
        before, given_up = given_up, is_too_often(events[:number])
        assert (version.phase is Phase.GIVEN_UP) == given_up
        assert (actions == (GiveUp(),)) == (given_up and not before)


def is_too_often(events: list[Event]) -> bool:
    since_ready = events[last(events, ReplicaReady) :]
    of_late = events[last(events, ReplicaLived) :]
    failures = sum(isinstance(one, ReplicaFailed) for one in since_ready)
    crashes = sum(one in (CRASHED, LIVED_AND_CRASHED) for one in of_late)
    kills = [one.at for one in since_ready if isinstance(one, ReplicaKilled)]
    killed = len(kills) >= KILLS and kills[-1] - kills[0] >= KILLS_SECONDS
    return failures >= TRIALS or crashes >= CRASHES or killed


def last(events: list[Event], kind: type[Event]) -> int:
    """The place of the last event of a kind, or the beginning."""
    return max((place for place, one in enumerate(events) if isinstance(one, kind)), default=0)
