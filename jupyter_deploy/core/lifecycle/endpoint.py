"""The life of an endpoint: which version gets its traffic, and what becomes of one that failed.

Rule 1: `core.traffic` says how traffic can be moved; when it moves is a row of TRANSITIONS.
Rule 2: traffic goes to versions that can serve (`good`), and what a person asks for beyond that is
refused with an error.  Rule 3: a version that is given up leaves its traffic to the last good one;
where there is none it keeps it: a version that fails now and then is better than nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from jupyter_deploy.core import traffic as moves
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.errors import Conflict, NotFound


class Phase(StrEnum):
    """What an endpoint has."""

    STOPPED = "stopped"
    """Nothing serves, nothing is warm."""
    STAGED = "staged"
    """Nothing serves, and a version is warm."""
    ALONE = "alone"
    """A version serves, and no other is warm."""
    COVERED = "covered"
    """A version serves, and another is warm."""


def phase_of(traffic: Traffic) -> Phase:
    """Where an endpoint with this traffic is in its life."""
    if traffic.active is None:
        return Phase.STOPPED if traffic.standby is None else Phase.STAGED
    return Phase.ALONE if traffic.standby is None else Phase.COVERED


# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deploy has brought up a version that is to serve."""

    version: str


@dataclass(frozen=True, slots=True)
class Staged:
    """A deploy has brought up a version that is to be warm."""

    version: str


@dataclass(frozen=True, slots=True)
class RollbackAsked:
    """Somebody wants the version before, or the one named, to serve."""

    to: str | None = None


@dataclass(frozen=True, slots=True)
class PromoteAsked:
    """Somebody wants the warm version, or the one named, to serve."""

    to: str | None = None


@dataclass(frozen=True, slots=True)
class UndeployAsked:
    """Somebody wants nothing to serve."""


@dataclass(frozen=True, slots=True)
class VersionGivenUp:
    """A version has failed too often."""

    version: str


Event = Deployed | Staged | RollbackAsked | PromoteAsked | UndeployAsked | VersionGivenUp

# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MarkGood:
    """Write that the version can serve."""

    version: str


@dataclass(frozen=True, slots=True)
class MarkFailed:
    """Write that the version has failed, and why."""

    version: str


@dataclass(frozen=True, slots=True)
class KeepTrying:
    """Say that the version fails, and that there is no other."""

    version: str


Action = MarkGood | MarkFailed | KeepTrying
Decision = tuple[Traffic, tuple[Action, ...]]

# --- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moment:
    name: str
    event: Event
    good: Sequence[str]


def _activate(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, Deployed)
    version = moment.event.version
    return moves.activate(traffic, version), (MarkGood(version),)


def _stage(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, Staged)
    version = moment.event.version
    return moves.stage(traffic, version), (MarkGood(version),)


def _roll_back(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, RollbackAsked)
    return moves.roll_back(moment.name, traffic, moment.event.to, list(moment.good)), ()


def _promote(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, PromoteAsked)
    target = moment.event.to or traffic.standby
    if target is None:
        which = f": {', '.join(moment.good[-3:])}" if moment.good else ""
        raise Conflict(f"{moment.name!r} has no version on standby.", f"Name one with --to{which}.")
    if target not in moment.good:
        raise NotFound(f"usable {moment.name} version", target, list(moment.good))
    return moves.activate(traffic, target), ()


def _stop(traffic: Traffic, _moment: _Moment) -> Decision:
    return moves.stop(traffic), ()


def _drop_standby(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, VersionGivenUp)
    if moment.event.version != traffic.standby:
        return traffic, ()
    return replace(traffic, standby=None), (MarkFailed(moment.event.version),)


def _fall_back(traffic: Traffic, moment: _Moment) -> Decision:
    assert isinstance(moment.event, VersionGivenUp)
    failed = moment.event.version
    if failed != traffic.active:
        return _drop_standby(traffic, moment)
    others = [version for version in moment.good if version != failed]
    target = traffic.standby or moves.rollback_target(traffic, others)
    if target is None:
        return traffic, (KeepTrying(failed),)
    back = moves.roll_back(moment.name, traffic, target, others)
    return replace(back, standby=None), (MarkFailed(failed),)


TRANSITIONS: dict[tuple[Phase, type[Event]], Callable[[Traffic, _Moment], Decision]] = {
    **{(phase, Deployed): _activate for phase in Phase},
    **{(phase, Staged): _stage for phase in Phase},
    **{(phase, RollbackAsked): _roll_back for phase in Phase},
    **{(phase, PromoteAsked): _promote for phase in Phase},
    (Phase.STAGED, UndeployAsked): _stop,
    (Phase.ALONE, UndeployAsked): _stop,
    (Phase.COVERED, UndeployAsked): _stop,
    (Phase.STAGED, VersionGivenUp): _drop_standby,
    (Phase.ALONE, VersionGivenUp): _fall_back,
    (Phase.COVERED, VersionGivenUp): _fall_back,
}


def decide(traffic: Traffic, event: Event, *, name: str, good: Sequence[str]) -> Decision:
    """The traffic of endpoint `name` after `event`, and what is to be done.

    Raises NothingToRollBackTo, NotFound or Conflict for what cannot be asked.
    """
    transition = TRANSITIONS.get((phase_of(traffic), type(event)))
    return (traffic, ()) if transition is None else transition(traffic, _Moment(name, event, good))
