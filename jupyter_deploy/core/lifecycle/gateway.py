"""The life of a gateway: one place behind the listening socket, and the process that fills it.

Rule 1: nobody else answers on this place, so that a process that was killed from outside is started
again at once; only one that ends by its own fault waits, and what has no room to start is tried
every second.  Rule 2: a successor takes over when it has said that it serves, and not before: until
then the one before goes on, whatever becomes of the successor.  Rule 3: the one before is let go of
when the successor has taken over; it ends by itself, and the place does not know it any more.
Rule 4: one that is silent is replaced first, as
it may only be busy with what callers have sent; one that cannot answer any more is killed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from jupyter_deploy.core.lifecycle.backoff import NO_ROOM_SECONDS, delay, failures_after


class Phase(StrEnum):
    """Where a gateway is in its life."""

    WAITING = "waiting"
    """No process; one is started when the backoff is over."""
    STARTING = "starting"
    """A process that does not answer yet; callers wait in the kernel's queue."""
    SERVING = "serving"
    """A process that answers."""
    REPLACING = "replacing"
    """A process that answers, and its successor, which is starting."""
    STOPPING = "stopping"
    """Asked to stop: it answers what it has, and ends."""
    GONE = "gone"
    """Stopped, with no process."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway.

    Invariants: `serving_since` is set exactly when SERVING or REPLACING; `failures` counts the ends
    in a row that were its own fault, without HEALTHY_SECONDS between.
    (test_only_a_gateway_that_answers_has_a_start_of_health)
    """

    phase: Phase = Phase.WAITING
    failures: int = 0
    serving_since: float | None = None

    def __post_init__(self) -> None:
        assert (self.serving_since is not None) == (self.phase in ANSWERING)
        assert self.failures >= 0


#: A process answers callers in these phases.
ANSWERING = (Phase.SERVING, Phase.REPLACING)

# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartDue:
    """The backoff is over."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """The process answers."""


@dataclass(frozen=True, slots=True)
class TookTooLong:
    """The process has not become ready in time."""


@dataclass(frozen=True, slots=True)
class WentSilent:
    """The process has not answered a heartbeat for too long: it may hang, or only be busy."""


@dataclass(frozen=True, slots=True)
class WasHung:
    """The process is stopped, or has not answered for as long as nothing that it does takes."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended; `own_fault`: nobody outside has caused it."""

    own_fault: bool


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The process could not be started: there is no room for it now."""


@dataclass(frozen=True, slots=True)
class UpgradeAsked:
    """A process of the code that is installed now is to take over."""


@dataclass(frozen=True, slots=True)
class SuccessorReady:
    """The successor has the routes, and accepts."""


@dataclass(frozen=True, slots=True)
class SuccessorFailed:
    """The successor has ended, could not be started, or was not ready in time."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The gateway is not wanted any more."""


Event = (
    StartDue | BecameReady | TookTooLong | WentSilent | WasHung | Exited | NotStarted
    | UpgradeAsked | SuccessorReady | SuccessorFailed | StopAsked
)  # fmt: skip

# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process."""


@dataclass(frozen=True, slots=True)
class StartAfter:
    """Say StartDue in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SpawnSuccessor:
    """Start the successor, beside the process."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The successor is the process from now on; the one before is retired, if it lives."""


@dataclass(frozen=True, slots=True)
class DropSuccessor:
    """End the successor, which nobody has met."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process now."""


@dataclass(frozen=True, slots=True)
class End:
    """Let the process finish what it has, then end it."""


Action = Spawn | StartAfter | SpawnSuccessor | TakeOver | DropSuccessor | Kill | End
Decision = tuple[Gateway, tuple[Action, ...]]

# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moment:
    event: Event
    now: float
    jitter: float


def _start(gateway: Gateway, _moment: _Moment) -> Decision:
    return replace(gateway, phase=Phase.STARTING), (Spawn(),)


def _serve(gateway: Gateway, moment: _Moment) -> Decision:
    return replace(gateway, phase=Phase.SERVING, serving_since=moment.now), ()


def _kill(gateway: Gateway, _moment: _Moment) -> Decision:
    return gateway, (Kill(),)


def _start_again(gateway: Gateway, moment: _Moment) -> Decision:
    assert isinstance(moment.event, Exited)
    failures = gateway.failures
    if gateway.serving_since is not None:
        failures = failures_after(failures, gateway.serving_since, moment.now)
    if not moment.event.own_fault:
        return Gateway(Phase.WAITING, failures), (StartAfter(0.0),)
    return Gateway(Phase.WAITING, failures + 1), (StartAfter(delay(failures, moment.jitter)),)


def _try_again(gateway: Gateway, _moment: _Moment) -> Decision:
    return replace(gateway, phase=Phase.WAITING), (StartAfter(NO_ROOM_SECONDS),)


def _replace(gateway: Gateway, _moment: _Moment) -> Decision:
    return replace(gateway, phase=Phase.REPLACING), (SpawnSuccessor(),)


def _hand_over(_gateway: Gateway, moment: _Moment) -> Decision:
    return Gateway(Phase.SERVING, serving_since=moment.now), (TakeOver(),)


def _go_on(gateway: Gateway, _moment: _Moment) -> Decision:
    return replace(gateway, phase=Phase.SERVING), (DropSuccessor(),)


def _fall_to_successor(gateway: Gateway, moment: _Moment) -> Decision:
    # Any start would be of the same code, and this one is further.
    again, _ = _start_again(gateway, moment)
    return replace(again, phase=Phase.STARTING), (TakeOver(),)


def _end(gateway: Gateway, _moment: _Moment) -> Decision:
    return Gateway(Phase.STOPPING, gateway.failures), (End(),)


def _end_both(gateway: Gateway, _moment: _Moment) -> Decision:
    return Gateway(Phase.STOPPING, gateway.failures), (DropSuccessor(), End())


def _be_gone(gateway: Gateway, _moment: _Moment) -> Decision:
    return Gateway(Phase.GONE, gateway.failures), ()


TRANSITIONS: dict[tuple[Phase, type[Event]], Callable[[Gateway, _Moment], Decision]] = {
    (Phase.WAITING, StartDue): _start,
    (Phase.WAITING, StopAsked): _be_gone,
    (Phase.STARTING, BecameReady): _serve,
    (Phase.STARTING, TookTooLong): _kill,
    (Phase.STARTING, WasHung): _kill,
    (Phase.STARTING, Exited): _start_again,
    (Phase.STARTING, NotStarted): _try_again,
    (Phase.STARTING, StopAsked): _end,
    (Phase.SERVING, WentSilent): _replace,
    (Phase.SERVING, WasHung): _kill,
    (Phase.SERVING, Exited): _start_again,
    (Phase.SERVING, UpgradeAsked): _replace,
    (Phase.SERVING, StopAsked): _end,
    (Phase.REPLACING, SuccessorReady): _hand_over,
    (Phase.REPLACING, SuccessorFailed): _go_on,
    (Phase.REPLACING, WasHung): _kill,
    (Phase.REPLACING, Exited): _fall_to_successor,
    (Phase.REPLACING, StopAsked): _end_both,
    (Phase.STOPPING, Exited): _be_gone,
    (Phase.STOPPING, NotStarted): _be_gone,
}


def decide(gateway: Gateway, event: Event, *, now: float, jitter: float) -> Decision:
    """The gateway after `event`, and what is to be done, in order."""
    transition = TRANSITIONS.get((gateway.phase, type(event)))
    if transition is None:
        return gateway, ()
    return transition(gateway, _Moment(event, now, jitter))
