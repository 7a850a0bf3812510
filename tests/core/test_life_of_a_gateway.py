"""The life of a gateway: the table, and what holds whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_deploy.core.lifecycle import gateway as life
from jupyter_deploy.core.lifecycle.backoff import (
    FIRST_DELAY,
    HEALTHY_SECONDS,
    LONGEST_DELAY,
    NO_ROOM_SECONDS,
)
from jupyter_deploy.core.lifecycle.gateway import (
    ANSWERING,
    TRANSITIONS,
    BecameReady,
    DropSuccessor,
    End,
    Exited,
    Gateway,
    Kill,
    NotStarted,
    Phase,
    Spawn,
    SpawnSuccessor,
    StartAfter,
    StartDue,
    StopAsked,
    SuccessorFailed,
    SuccessorReady,
    TakeOver,
    TookTooLong,
    UpgradeAsked,
    WasHung,
    WentSilent,
)

CRASHED, KILLED = Exited(own_fault=True), Exited(own_fault=False)
EVENTS = [
    StartDue(), BecameReady(), TookTooLong(), WentSilent(), WasHung(), CRASHED, KILLED,
    UpgradeAsked(), SuccessorReady(), SuccessorFailed(), StopAsked(), NotStarted(),
]  # fmt: skip


def live(*events: life.Event, gateway: Gateway | None = None, now: float = 0.0):
    """The gateway and the actions of the last of `events`."""
    gateway, actions = gateway or Gateway(), ()
    for event in events:
        gateway, actions = life.decide(gateway, event, now=now, jitter=0.5)
    return gateway, actions


SERVING, _ = live(StartDue(), BecameReady())
REPLACING, _ = live(UpgradeAsked(), gateway=SERVING)


def test_one_that_was_killed_is_started_again_at_once() -> None:
    gateway, actions = live(KILLED, gateway=SERVING)
    assert (gateway, actions) == (Gateway(), (StartAfter(0.0),))


def test_one_that_crashes_again_and_again_is_started_later_each_time() -> None:
    gateway, waits = SERVING, []
    for _ in range(12):
        gateway, (start,) = live(CRASHED, gateway=gateway)
        waits.append(2 * start.seconds)
        gateway, _ = live(StartDue(), BecameReady(), gateway=gateway)
    assert waits[:4] == pytest.approx([FIRST_DELAY * 2**n for n in range(4)])
    assert waits[-1] == LONGEST_DELAY


def test_what_has_no_room_to_start_is_tried_every_second_however_often() -> None:
    """A full disk or too many open files: nobody knows when there is room again."""
    gateway, _ = live(StartDue(), CRASHED)
    for _ in range(12):
        gateway, actions = live(StartDue(), NotStarted(), gateway=gateway)
        assert (gateway, actions) == (Gateway(failures=1), (StartAfter(NO_ROOM_SECONDS),))


def test_a_minute_of_health_forgets_earlier_crashes() -> None:
    tired = Gateway(Phase.SERVING, failures=9, serving_since=0.0)
    _, actions = live(CRASHED, gateway=tired, now=HEALTHY_SECONDS)
    assert actions == (StartAfter(0.5 * FIRST_DELAY),)


def test_a_successor_takes_over_when_it_is_ready_and_not_before() -> None:
    assert live(UpgradeAsked(), gateway=SERVING)[1] == (SpawnSuccessor(),)
    gateway, actions = live(SuccessorReady(), gateway=REPLACING)
    assert (gateway.phase, actions) == (Phase.SERVING, (TakeOver(),))


def test_when_a_successor_fails_the_one_before_serves_as_it_did() -> None:
    gateway, actions = live(SuccessorFailed(), gateway=REPLACING)
    assert (gateway, actions) == (SERVING, (DropSuccessor(),))


def test_when_the_one_before_dies_its_successor_is_the_gateway_already() -> None:
    gateway, actions = live(KILLED, gateway=REPLACING)
    assert (gateway.phase, actions) == (Phase.STARTING, (TakeOver(),))
    assert live(BecameReady(), gateway=gateway)[0].phase is Phase.SERVING


def test_only_one_that_serves_is_upgraded() -> None:
    for phase in set(Phase) - {Phase.SERVING}:
        gateway = Gateway(phase, serving_since=0.0 if phase in ANSWERING else None)
        assert live(UpgradeAsked(), gateway=gateway) == (gateway, ())


def test_a_silent_one_is_replaced_and_keeps_what_it_has_until_then() -> None:
    gateway, actions = live(WentSilent(), gateway=SERVING)
    assert (gateway.phase, actions) == (Phase.REPLACING, (SpawnSuccessor(),))
    assert live(WentSilent(), gateway=gateway) == (gateway, ())
    assert live(SuccessorReady(), gateway=gateway)[1] == (TakeOver(),)


def test_a_hung_one_is_killed_and_then_started_again() -> None:
    gateway, actions = live(WasHung(), gateway=SERVING)
    assert actions == (Kill(),)
    assert live(KILLED, gateway=gateway)[1] == (StartAfter(0.0),)


def test_when_a_silent_one_is_killed_its_successor_is_the_gateway_already() -> None:
    gateway, actions = live(WentSilent(), WasHung(), gateway=SERVING)
    assert (gateway.phase, actions) == (Phase.REPLACING, (Kill(),))
    gateway, actions = live(KILLED, gateway=gateway)
    assert (gateway.phase, actions) == (Phase.STARTING, (TakeOver(),))


def test_one_that_is_not_up_yet_is_not_called_silent_but_killed_when_it_hangs() -> None:
    gateway, _ = live(StartDue())
    assert live(WentSilent(), gateway=gateway) == (gateway, ())
    assert live(WasHung(), gateway=gateway) == (gateway, (Kill(),))


def test_what_is_no_row_of_the_table_changes_nothing() -> None:
    for phase in Phase:
        gateway = Gateway(phase, serving_since=0.0 if phase in ANSWERING else None)
        for event in EVENTS:
            if (phase, type(event)) not in TRANSITIONS:
                assert live(event, gateway=gateway) == (gateway, ())


@dataclass
class World:
    """The processes of one place, and what is still to come; the actions act on it."""

    process: bool = False
    ready: bool = False
    successor: bool = False
    #: Those that were let go of: they finish what they have.
    former: int = 0
    timers: int = 1
    stopped: bool = False
    spawned: list[str] = field(default_factory=list)

    def perform(self, action: life.Action) -> None:
        match action:
            case Spawn():
                assert not self.process, "a second process"
                self.process, self.ready = True, False
            case StartAfter():
                self.timers += 1
            case SpawnSuccessor():
                assert self.process
                assert not self.successor
                self.successor = True
            case TakeOver():
                assert self.successor
                self.former += self.process
                self.process, self.successor = True, False
            case DropSuccessor():
                self.successor = False
            case Kill() | End():
                assert self.process, "nothing to end"
            case _:
                raise AssertionError(action)


class Lives(RuleBasedStateMachine):
    """Events come as a world makes them: only what exists ends, answers or falls silent."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway, self.world, self.now = Gateway(), World(), 0.0

    def happen(self, event: life.Event, passed: float = 0.0) -> None:
        self.now += passed
        self.gateway, actions = life.decide(self.gateway, event, now=self.now, jitter=0.5)
        for action in actions:
            self.world.perform(action)

    @precondition(lambda self: self.world.timers > 0)
    @rule()
    def start(self) -> None:
        self.world.timers -= 1
        self.happen(StartDue())

    @precondition(lambda self: self.world.process and not self.world.ready)
    @rule()
    def become_ready(self) -> None:
        self.world.ready = True
        self.happen(BecameReady())

    @precondition(lambda self: self.world.process)
    @rule(event=st.sampled_from([WentSilent(), WasHung(), TookTooLong()]))
    def hang(self, event: life.Event) -> None:
        self.happen(event)

    @precondition(lambda self: self.world.process)
    @rule(own_fault=st.booleans(), passed=st.floats(0, 200))
    def end(self, own_fault: bool, passed: float) -> None:
        self.world.process = self.world.ready = False
        self.happen(Exited(own_fault), passed)

    @precondition(lambda self: self.world.process and not self.world.ready)
    @rule()
    def find_no_room(self) -> None:
        if self.gateway.phase is Phase.STARTING:
            self.world.process = False
            self.happen(NotStarted())

    @rule()
    def ask_for_an_upgrade(self) -> None:
        self.happen(UpgradeAsked())

    @precondition(lambda self: self.world.successor)
    @rule()
    def successor_ready(self) -> None:
        self.world.ready = True
        self.happen(SuccessorReady())

    @precondition(lambda self: self.world.successor)
    @rule()
    def successor_fails(self) -> None:
        self.happen(SuccessorFailed())

    @rule()
    def ask_to_stop(self) -> None:
        self.world.stopped = True
        self.happen(StopAsked())

    @invariant()
    def only_a_gateway_that_answers_has_a_start_of_health(self) -> None:
        assert (self.gateway.serving_since is not None) == (self.gateway.phase in ANSWERING)

    @invariant()
    def there_is_a_process_exactly_in_the_phases_that_say_so(self) -> None:
        with_process = {Phase.STARTING, Phase.SERVING, Phase.REPLACING, Phase.STOPPING}
        assert self.world.process == (self.gateway.phase in with_process)

    @invariant()
    def there_is_a_successor_only_while_one_is_being_replaced(self) -> None:
        assert self.world.successor == (self.gateway.phase is Phase.REPLACING)

    @invariant()
    def it_is_never_given_up(self) -> None:
        """While it is wanted there is a process, or a start is on its way."""
        if not self.world.stopped:
            assert self.world.process or self.world.timers > 0

    @invariant()
    def one_that_was_asked_to_stop_is_never_started_again(self) -> None:
        if self.world.stopped:
            assert self.gateway.phase in (Phase.STOPPING, Phase.GONE)


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestWhateverHappens = Lives.TestCase
