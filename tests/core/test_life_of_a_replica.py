"""The life of a replica: the table, and what holds whatever happens."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_deploy.core.lifecycle.backoff import (
    FIRST_DELAY,
    HEALTHY_SECONDS,
    KILLED_FAILURES,
    KILLED_SECONDS,
    LONGEST_DELAY,
    NO_ROOM_SECONDS,
    delay,
)
from jupyter_deploy.core.lifecycle.replica import (
    TRANSITIONS,
    Action,
    AnsweredAgain,
    BecameReady,
    Cause,
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
    Exited(Cause.KILLED), StopAsked(),
]  # fmt: skip
#: A process exists in these phases, and in no other.
WITH_PROCESS = {Phase.STARTING, Phase.READY, Phase.EJECTED, Phase.STOPPING}

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


def test_one_that_is_killed_again_and_again_is_never_kept_waiting_for_long() -> None:
    tired = Replica(Phase.READY, failures=9, ready_since=0.0)
    replica, (_, soon) = decide(tired, Exited(Cause.KILLED), now=1.0, jitter=0.9)
    assert (replica.failures, soon) == (9, StartAfter(KILLED_SECONDS))


def test_one_that_is_killed_while_it_loads_starts_again_at_once_however_often_it_failed() -> None:
    tired = Replica(Phase.STARTING, failures=9)
    replica, (soon,) = decide(tired, Exited(Cause.KILLED), now=1.0, jitter=0.9)
    assert soon.seconds < FIRST_DELAY
    assert replica == Replica(Phase.WAITING, failures=9, kills=1)
    # And all of that is forgotten when one has loaded.
    assert live(replica, StartDue(), BecameReady())[0].kills == 0


def test_one_that_is_killed_each_time_it_loads_waits_as_long_as_any_that_cannot_load() -> None:
    """Its own code may do that: it must not cost a processor."""
    replica, waits = Replica(), []
    for _ in range(12):
        replica, (wait,) = live(replica, StartDue(), Exited(Cause.KILLED))
        waits.append(wait.seconds)
    assert waits == [delay(failures, 0.5) for failures in range(12)]


def test_after_many_kills_a_crash_is_not_taken_for_one_of_a_loop() -> None:
    replica = Replica()
    for _ in range(10):
        replica, _ = live(replica, StartDue(), BecameReady(), Exited(Cause.KILLED))
    _, (_, again) = live(replica, StartDue(), BecameReady(), Exited())
    assert again.seconds < 2 * KILLED_SECONDS


@dataclass
class World:
    """What the actions have made: the process, the routes, the timers; they act on nothing else."""

    process: bool = False
    routed: bool = False
    #: Starts that are on their way.
    timers: int = 1
    #: What is told to end does so some time.
    ending: bool = False
    #: Another replica is to be started in place of this one, or sent away again.
    rebalanced: int = 0
    forgotten: int = 0

    def perform(self, action: Action) -> None:
        match action:
            case Spawn():
                assert not self.process, "a second process"
                self.process, self.ending = True, False
            case StartAfter(seconds):
                assert 0.0 <= seconds <= LONGEST_DELAY
                self.timers += 1
            case Route():
                assert self.process
                assert not self.ending, "requests for one that is being ended"
                self.routed = True
            case Unroute():
                self.routed = False
            case Rebalance():
                self.rebalanced += 1
            case Kill():
                assert self.process, "nothing to end"
                self.ending = True
            case Drain():
                assert self.process, "nothing to end"
                assert not self.routed, "drained while it is routed to"
                self.ending = True
            case Forget():
                assert not self.process, "a process that nobody knows of"
                self.forgotten += 1
            case _:
                raise AssertionError(action)


class Lives(RuleBasedStateMachine):
    """The model: what a person would say of the replica, by the words of the phases.

    Events come as a world makes them: only what exists ends, answers or falls silent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.replica, self.world, self.now = Replica(), World(), 0.0
        self.loaded = self.silent = self.stopped = False
        #: Ends in a row without a minute of health, and since when it has been well.
        self.ends, self.well_since = 0, 0.0
        #: Kills in a row without one that has loaded.
        self.kills = 0

    def happen(self, event: Event) -> tuple[Action, ...]:
        self.replica, actions = decide(self.replica, event, now=self.now, jitter=0.5)
        for action in actions:
            self.world.perform(action)
        return actions

    @property
    def serves(self) -> bool:
        return self.world.process and self.loaded and not self.silent and not self.stopped

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.world.timers > 0)
    @rule()
    def start(self) -> None:
        self.world.timers -= 1
        self.happen(StartDue())
        assert self.world.process != self.stopped

    @precondition(lambda self: self.world.process and not self.loaded and not self.world.ending)
    @rule()
    def load(self) -> None:
        self.loaded, self.well_since, self.kills = True, self.now, 0
        self.happen(BecameReady())

    @precondition(lambda self: self.world.process and not self.loaded)
    @rule()
    def take_too_long_to_load(self) -> None:
        self.happen(TookTooLong())
        assert self.world.ending

    @precondition(lambda self: self.world.process and self.loaded)
    @rule()
    def fall_silent(self) -> None:
        counts, before = self.serves, self.world.rebalanced
        self.silent = self.silent or counts
        self.happen(WentSilent())
        assert self.world.rebalanced == before + counts
        assert not (counts and self.world.ending), "a call that is only long was killed"

    @precondition(lambda self: self.world.process and self.silent)
    @rule()
    def answer_after_all(self) -> None:
        """Also one that is being killed: its answer was on its way."""
        before = self.world.rebalanced
        if not self.stopped:
            self.silent, self.well_since = False, self.now
        self.happen(AnsweredAgain())
        assert self.world.rebalanced == before + (not self.stopped)

    @precondition(lambda self: self.world.process and self.loaded)
    @rule()
    def hang(self) -> None:
        """Another one takes its place, or has it already."""
        counts, before = self.serves, self.world.rebalanced
        self.stopped = True
        self.happen(WasHung())
        assert self.world.rebalanced == before + counts
        assert self.world.ending

    @precondition(lambda self: self.world.process)
    @rule(cause=st.sampled_from(Cause))
    def end(self, cause: Cause) -> None:
        self.world.process = self.world.ending = False
        well = self.loaded and not self.silent and self.now - self.well_since >= HEALTHY_SECONDS
        self.ends = 0 if well else self.ends
        wait = delay(self.ends, 0.5)
        blameless = cause is not Cause.ITSELF and not self.loaded
        if blameless:
            wait = NO_ROOM_SECONDS if cause is Cause.NO_ROOM else delay(self.kills, 0.5)
            self.kills += cause is Cause.KILLED
        elif cause is Cause.KILLED:
            wait = min(wait, KILLED_SECONDS)
        actions = self.happen(Exited(cause))
        had_loaded, self.loaded = self.loaded, False
        if self.stopped or self.silent:
            assert actions == (Forget(),)
            self.stopped = True
        else:
            assert StartAfter(wait) in actions
            if cause is Cause.KILLED and had_loaded:
                self.ends = max(self.ends, min(self.ends + 1, KILLED_FAILURES))
            else:
                self.ends += not blameless

    @rule()
    def ask_to_stop(self) -> None:
        self.stopped = True
        self.happen(StopAsked())

    @invariant()
    def only_a_ready_replica_has_a_start_of_health(self) -> None:
        assert (self.replica.ready_since is not None) == (self.replica.phase is Phase.READY)

    @invariant()
    def there_is_a_process_exactly_in_the_phases_that_say_so(self) -> None:
        assert self.world.process == (self.replica.phase in WITH_PROCESS)

    @invariant()
    def requests_go_to_it_exactly_while_it_serves(self) -> None:
        assert self.world.routed == self.serves == (self.replica.phase is Phase.READY)

    @invariant()
    def two_starts_are_never_under_way(self) -> None:
        assert self.world.timers <= 1
        assert not (self.world.process and self.world.timers and not self.stopped)

    @invariant()
    def it_is_never_given_up_by_itself(self) -> None:
        """While it is wanted there is a process, or a start is on its way."""
        if not self.stopped:
            assert self.world.process or self.world.timers

    @invariant()
    def one_that_was_asked_to_stop_is_never_started_again(self) -> None:
        if self.stopped:
            assert self.replica.phase in (Phase.STOPPING, Phase.GONE)
            assert self.world.ending or not self.world.process

    @invariant()
    def what_is_left_of_it_is_removed_once_and_at_its_end(self) -> None:
        assert self.world.forgotten == (self.replica.phase is Phase.GONE)

    @invariant()
    def earlier_ends_are_counted_as_long_as_it_may_start_again(self) -> None:
        if not self.stopped:
            assert (self.replica.failures, self.replica.kills) == (self.ends, self.kills)


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestWhateverHappens = Lives.TestCase
