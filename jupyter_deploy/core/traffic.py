"""Traffic: which version of an endpoint gets which share, and how that may change.

Rule 1: a change takes a Traffic and gives a new one; nothing else moves traffic.  Rule 2: a change
of traffic takes contract, limits and baseline along, because all of them belong to the version.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from jupyter_deploy.errors import NotFound, NothingToRollBackTo


class VersionState(StrEnum):
    """Where a version is in its life."""

    STARTING = "starting"
    ACTIVE = "active"
    STANDBY = "standby"
    """Warm, without traffic: a rollback to it takes no time."""
    RETIRED = "retired"
    """No process; it can be brought back."""
    FAILED = "failed"
    """It never served."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What serves now (`active`), what is warm (`standby`), and what served before.

    `history` holds the versions that have been active, oldest first, the active one last; it says
    where a rollback goes.  Invariants: active is history[-1] when there is one; active and standby
    differ.
    """

    active: str | None = None
    standby: str | None = None
    history: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.active is None or self.history[-1:] == (self.active,)
        assert self.active is None or self.active != self.standby

    def state_of(self, version: str) -> VersionState:
        """The state of a version that has not failed."""
        if version == self.active:
            return VersionState.ACTIVE
        return VersionState.STANDBY if version == self.standby else VersionState.RETIRED

    def percent_of(self, version: str) -> float:
        """The share of the requests that ask for no version which `version` gets."""
        return 100.0 if version == self.active else 0.0


def activate(traffic: Traffic, version: str) -> Traffic:
    """`version` gets all traffic; the one that had it stays warm."""
    if version == traffic.active:
        return traffic
    standby = traffic.active or (None if traffic.standby == version else traffic.standby)
    return Traffic(active=version, standby=standby, history=(*traffic.history, version))


def stage(traffic: Traffic, version: str) -> Traffic:
    """`version` becomes warm and gets no traffic."""
    return traffic if version == traffic.active else replace(traffic, standby=version)


def roll_back(name: str, traffic: Traffic, to: str | None, known: list[str]) -> Traffic:
    """Go back to `to`, or to the version that was active before the present one.

    `known` are the versions that can serve.  The versions that served after the one gone back to
    leave the history, so that a second rollback goes one further back.  Raises NothingToRollBackTo
    or NotFound.
    """
    if to is not None and to not in known:
        raise NotFound(f"usable {name} version", to, known)
    if to is None and traffic.active is None and known:
        served = [version for version in traffic.history if version in known]
        raise NothingToRollBackTo(name, last=[*known, *served][-1])
    target = to or rollback_target(traffic, known)
    if target is None or (to is None and traffic.active is None):
        raise NothingToRollBackTo(name)
    if target == traffic.active:
        return traffic
    past = traffic.history
    if target in past:
        last = len(past) - 1 - past[::-1].index(target)
        past = past[:last]
    return Traffic(active=target, standby=traffic.active, history=(*past, target))


def rollback_target(traffic: Traffic, known: list[str]) -> str | None:
    """Where a rollback without a version goes: the last other version that was active."""
    earlier = [v for v in traffic.history if v != traffic.active and v in known]
    return earlier[-1] if earlier else None


def stop(traffic: Traffic) -> Traffic:
    """Nothing serves any more; the history stays."""
    return Traffic(active=None, standby=None, history=traffic.history)
