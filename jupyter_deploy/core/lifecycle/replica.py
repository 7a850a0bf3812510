"""The life of a replica: what happens to it, and what is to be done then.

Rule: giving up is per version, never per process.

A replica here is a place that a process fills: the process may die and be started again, the place
stays until it is asked to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from jupyter_deploy.core.lifecycle.backoff import (
    KILLED_FAILURES,
    KILLED_SECONDS,
    NO_ROOM_SECONDS,
    delay,
    failures_after,
)


class Phase(StrEnum):
    """Where a replica is in its life."""

    WAITING = "waiting"
    """No process; one is started when the backoff is over."""
    STARTING = "starting"
    """A process that loads its model; nothing is routed to it."""
    READY = "ready"
    """A process that answers; requests are routed to it."""
    EJECTED = "ejected"
    """A process that is silent: another takes its place; it may answer again, or is killed."""
    STOPPING = "stopping"
    """Asked to stop, it answers what it has and ends; or it hung, and is being killed."""
    GONE = "gone"
    """Stopped, with no process; the place is free."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica.

    Invariants: `ready_since` is set exactly when READY (only_a_ready_replica_has_a_start_of_
    health); `failures` counts the ends of processes in a row without HEALTHY_SECONDS between, but
    for those that somebody outside has killed: all of them that were ready are KILLED_FAILURES at
    most, and those that still loaded are `kills`, which are forgotten when one becomes ready.
    """

    phase: Phase = Phase.WAITING
    failures: int = 0
    ready_since: float | None = None
    kills: int = 0

    def __post_init__(self) -> None:
        assert (self.ready_since is not None) == (self.phase is Phase.READY)
        assert self.failures >= 0
        assert self.kills >= 0


# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartDue:
    """The backoff is over."""


@dataclass(frozen=True, slots=True)
class BecameReady:
    """The process has loaded its model and answers."""


@dataclass(frozen=True, slots=True)
class TookTooLong:
    """The process has not become ready in time."""


@dataclass(frozen=True, slots=True)
class WentSilent:
    """The process has not answered a heartbeat for too long: it may hang, or its call is long."""


@dataclass(frozen=True, slots=True)
class AnsweredAgain:
    """A process that was silent has answered after all."""


@dataclass(frozen=True, slots=True)
class WasHung:
    """The process is stopped, or has been silent for longer than any request may take."""


class Cause(StrEnum):
    """Why a process has ended."""

    ITSELF = "itself"
    """It crashed, ended with a status of its own, or took too long."""
    KILLED = "killed"
    """Somebody outside has ended it, as far as anybody can know."""
    NO_ROOM = "no room"
    """The disk was full as it started, which says nothing of it."""


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended, or could not be started."""

    cause: Cause = Cause.ITSELF


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The replica is not wanted any more."""


Event = (
    StartDue | BecameReady | TookTooLong | WentSilent | AnsweredAgain | WasHung | Exited | StopAsked
)

# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a process."""


@dataclass(frozen=True, slots=True)
class StartAfter:
    """Say StartDue in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Route:
    """Send requests to it."""


@dataclass(frozen=True, slots=True)
class Unroute:
    """Send it no more requests."""


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Have as many as are wanted: a silent one is none of them."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Let it finish what it has, then end it."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End it now."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove what is left of it."""


Action = Spawn | StartAfter | Route | Unroute | Rebalance | Drain | Kill | Forget
Decision = tuple[Replica, tuple[Action, ...]]

# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moment:
    event: Event
    now: float
    jitter: float


def _start(replica: Replica, _moment: _Moment) -> Decision:
    return replace(replica, phase=Phase.STARTING), (Spawn(),)


def _serve(replica: Replica, moment: _Moment) -> Decision:
    return Replica(Phase.READY, replica.failures, ready_since=moment.now), (Route(),)


def _kill(replica: Replica, _moment: _Moment) -> Decision:
    return replica, (Kill(),)


def _back_off(replica: Replica, moment: _Moment) -> Decision:
    assert isinstance(moment.event, Exited)
    if moment.event.cause is Cause.NO_ROOM:
        return replace(replica, phase=Phase.WAITING), (StartAfter(NO_ROOM_SECONDS),)
    failures, kills = replica.failures + 1, replica.kills
    wait = delay(replica.failures, moment.jitter)
    if moment.event.cause is Cause.KILLED:
        # Kept waiting only where it goes on: a model may do it to itself, and that costs starts.
        failures, kills = replica.failures, replica.kills + 1
        wait = delay(replica.kills, moment.jitter)
    return Replica(Phase.WAITING, failures, kills=kills), (StartAfter(wait),)


def _lose(replica: Replica, moment: _Moment) -> Decision:
    assert replica.ready_since is not None
    assert isinstance(moment.event, Exited)
    failures = failures_after(replica.failures, replica.ready_since, moment.now)
    wait = delay(failures, moment.jitter)
    counted = failures + 1
    if moment.event.cause is Cause.KILLED:
        # It has done nothing to be kept waiting, and is missed each time.
        wait = min(wait, KILLED_SECONDS)
        counted = max(failures, min(counted, KILLED_FAILURES))
    return Replica(Phase.WAITING, counted), (Unroute(), StartAfter(wait))


def _eject(replica: Replica, _moment: _Moment) -> Decision:
    # Not killed: a call that is only long may end yet, and what it has cost is not lost.
    return Replica(Phase.EJECTED, replica.failures), (Unroute(), Rebalance())


def _return(replica: Replica, moment: _Moment) -> Decision:
    served = Replica(Phase.READY, replica.failures, ready_since=moment.now)
    return served, (Route(), Rebalance())


def _replace(replica: Replica, _moment: _Moment) -> Decision:
    # Out of the rotation first: that keeps requests moving while the kernel tears the process down.
    return Replica(Phase.STOPPING, replica.failures), (Unroute(), Rebalance(), Kill())


def _drain(replica: Replica, _moment: _Moment) -> Decision:
    return Replica(Phase.STOPPING, replica.failures), (Unroute(), Drain())


def _abandon(replica: Replica, _moment: _Moment) -> Decision:
    return Replica(Phase.STOPPING, replica.failures), (Kill(),)


def _forget(replica: Replica, _moment: _Moment) -> Decision:
    return Replica(Phase.GONE, replica.failures), (Forget(),)


TRANSITIONS: dict[tuple[Phase, type[Event]], Callable[[Replica, _Moment], Decision]] = {
    (Phase.WAITING, StartDue): _start,
    (Phase.WAITING, StopAsked): _forget,
    (Phase.STARTING, BecameReady): _serve,
    (Phase.STARTING, TookTooLong): _kill,
    (Phase.STARTING, Exited): _back_off,
    (Phase.STARTING, StopAsked): _abandon,
    (Phase.READY, WentSilent): _eject,
    (Phase.READY, Exited): _lose,
    (Phase.READY, StopAsked): _drain,
    (Phase.READY, WasHung): _replace,
    (Phase.EJECTED, AnsweredAgain): _return,
    (Phase.EJECTED, WasHung): _abandon,
    (Phase.EJECTED, Exited): _forget,
    (Phase.EJECTED, StopAsked): _abandon,
    (Phase.STOPPING, Exited): _forget,
}


def decide(replica: Replica, event: Event, *, now: float, jitter: float) -> Decision:
    """The replica after `event`, and what is to be done, in order."""
    transition = TRANSITIONS.get((replica.phase, type(event)))
    if transition is None:
        return replica, ()
    return transition(replica, _Moment(event, now, jitter))
