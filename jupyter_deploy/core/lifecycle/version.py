"""The life of a version as its replicas tell it: on trial, for as long as it is not given up.

Rule 1: what happens to one replica speaks for or against its version; no process is given up by
itself.  Rule 2: what somebody outside did to a replica speaks against nobody, but for a version
that has been able to do nothing else for long: whether somebody kills each of its replicas while it
loads or they do it themselves cannot be known, and either way it does not serve.  Rule 3: giving up
is said once, and the version is tried on all the same while it is wanted: whoever moves traffic
decides whether there is another one (core.lifecycle.endpoint).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from jupyter_deploy.core.lifecycle import replica as life
from jupyter_deploy.core.lifecycle.backoff import HEALTHY_SECONDS

#: A version that failed this often to become ready since it last did is given up.
TRIALS = 3
#: A version whose replicas crashed this often soon after they were ready is given up.  A request
#: that kills is refused after two deaths, so that one alone is never taken for the version's fault.
CRASHES = 6
#: A version whose replicas are killed while they load, so often at least and with none that becomes
#: ready for so long, is given up: what waits between two starts is half a minute at most.
KILLS, KILLS_SECONDS = 3, 20.0


class Phase(StrEnum):
    """What is thought of a version."""

    ON_TRIAL = "on trial"
    """It has not failed too often."""
    GIVEN_UP = "given up"
    """It has, and that has been said."""


@dataclass(frozen=True, slots=True)
class Kills:
    """Replicas that were killed from outside before they were ready, since one last was."""

    number: int = 0
    first: float = 0.0
    last: float = 0.0

    @property
    def too_many(self) -> bool:
        """Whether they go on for too long to be somebody's slip."""
        return self.number >= KILLS and self.last - self.first >= KILLS_SECONDS

    def and_one(self, now: float) -> Kills:
        """With one more, now."""
        return Kills(self.number + 1, self.first if self.number else now, now)


@dataclass(frozen=True, slots=True)
class Version:
    """What speaks against a version.

    `failures` counts how often its replicas failed to become ready since one last did; `crashes`
    how often one ended by its own fault within HEALTHY_SECONDS of being ready, with none between
    that lived longer.  Invariant: it is given up exactly when one of the three is too much.
    (test_a_version_is_given_up_exactly_when_it_has_failed_too_often)
    """

    phase: Phase = Phase.ON_TRIAL
    failures: int = 0
    crashes: int = 0
    kills: Kills = Kills()

    def __post_init__(self) -> None:
        too_often = _too_often(self.failures, self.crashes, self.kills)
        assert too_often == (self.phase is Phase.GIVEN_UP)


def _too_often(failures: int, crashes: int, kills: Kills) -> bool:
    return failures >= TRIALS or crashes >= CRASHES or kills.too_many


# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplicaReady:
    """A replica has become ready."""


@dataclass(frozen=True, slots=True)
class ReplicaFailed:
    """A replica has ended before it was ready, by its own fault."""


@dataclass(frozen=True, slots=True)
class ReplicaKilled:
    """A replica has been killed before it was ready."""

    at: float


@dataclass(frozen=True, slots=True)
class ReplicaCrashed:
    """A replica has ended by its own fault, soon after it was ready."""


@dataclass(frozen=True, slots=True)
class ReplicaLived:
    """A replica that had been ready for long has ended."""

    own_fault: bool


Event = ReplicaReady | ReplicaFailed | ReplicaKilled | ReplicaCrashed | ReplicaLived


def is_failing(version: Version, ready_seconds: float | None) -> bool:
    """Whether a version does not serve, or never for long; it has been ready for `ready_seconds`.

    One that crashes again and again is ready now and then, and nobody should be told each time
    that it serves.
    """
    if ready_seconds is None:
        return version.failures + version.crashes + version.kills.number > 0
    return version.phase is Phase.GIVEN_UP and ready_seconds < HEALTHY_SECONDS


def told_by(
    replica: life.Replica, event: life.Event, *, now: float, own_fault: bool
) -> Event | None:
    """What `event` of a replica says of its version; `own_fault`: nobody outside has caused it."""
    match event:
        case life.BecameReady() if replica.phase is life.Phase.STARTING:
            return ReplicaReady()
        case life.Exited(life.Cause.NO_ROOM) if replica.phase is life.Phase.STARTING:
            return None
        case life.Exited(life.Cause.KILLED) if replica.phase is life.Phase.STARTING:
            return ReplicaKilled(now)
        case life.Exited() if replica.phase is life.Phase.STARTING:
            return ReplicaFailed()
        case life.Exited() if replica.ready_since is not None:
            if now - replica.ready_since >= HEALTHY_SECONDS:
                return ReplicaLived(own_fault)
            return ReplicaCrashed() if own_fault else None
        case _:
            return None


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Say that the version has failed too often."""


Decision = tuple[Version, tuple[GiveUp, ...]]

# --- the table ------------------------------------------------------------------------------------


def _trust(version: Version, _event: Event) -> Decision:
    # One that crashes in a loop becomes ready each time: only a long life speaks against crashes.
    return _counted(version, 0, version.crashes, Kills())


def _count_failure(version: Version, _event: Event) -> Decision:
    return _counted(version, version.failures + 1, version.crashes, version.kills)


def _count_kill(version: Version, event: Event) -> Decision:
    assert isinstance(event, ReplicaKilled)
    kills = version.kills.and_one(event.at)
    return _counted(version, version.failures, version.crashes, kills)


def _count_crash(version: Version, _event: Event) -> Decision:
    return _counted(version, version.failures, version.crashes + 1, version.kills)


def _forget_crashes(version: Version, event: Event) -> Decision:
    assert isinstance(event, ReplicaLived)
    return _counted(version, version.failures, int(event.own_fault), version.kills)


def _counted(before: Version, failures: int, crashes: int, kills: Kills) -> Decision:
    if not _too_often(failures, crashes, kills):
        return Version(Phase.ON_TRIAL, failures, crashes, kills), ()
    said = before.phase is Phase.GIVEN_UP
    return Version(Phase.GIVEN_UP, failures, crashes, kills), () if said else (GiveUp(),)


TRANSITIONS: dict[tuple[Phase, type[Event]], Callable[[Version, Event], Decision]] = {
    **{(phase, ReplicaReady): _trust for phase in Phase},
    **{(phase, ReplicaFailed): _count_failure for phase in Phase},
    **{(phase, ReplicaKilled): _count_kill for phase in Phase},
    **{(phase, ReplicaCrashed): _count_crash for phase in Phase},
    **{(phase, ReplicaLived): _forget_crashes for phase in Phase},
}


def decide(version: Version, event: Event) -> Decision:
    """The version after `event`, and what is to be done."""
    return TRANSITIONS[version.phase, type(event)](version, event)
