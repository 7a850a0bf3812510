"""How many replicas a version has within its range, from what there is to do.

Rule 1: `decide` is pure: time is an argument (monotonic seconds), what was seen is in the state.
Rule 2: more replicas as soon as all of the last UP_SECONDS asked for them, fewer only when none of
the last `down_seconds` needed them; a moment that nobody saw counts as one that needed them all.

What is asked for follows from the load alone, not from the replicas that happen to run, so that a
constant load leads to one number, and a replica that is still starting starts no further ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from jupyter_deploy.errors import UsageError

MOST_REPLICAS = 64
#: The share of its time that a replica shall be at work: the rest is room for what comes next.
TARGET_BUSY = 0.7
#: So many waiting requests are work for one replica more.
TARGET_WAITING = 8
#: A load that lasts for less than this starts nothing.
UP_SECONDS = 1.0
#: With nothing seen for as long as this, the past says nothing.
BLIND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Range:
    """From `least` to `most` replicas; the same number twice is that number, whatever the load."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= MOST_REPLICAS:
            raise UsageError(
                f"{self} replicas cannot be.",
                f"Take 1 to {MOST_REPLICAS}, or MIN:MAX with MIN not above MAX: 1:4.",
            )

    def __str__(self) -> str:
        return f"{self.least}:{self.most}" if self.scales else str(self.least)

    @property
    def scales(self) -> bool:
        """Whether the number follows the load."""
        return self.least != self.most

    def clamp(self, count: int) -> int:
        """The number in the range that is nearest to `count`."""
        return min(self.most, max(self.least, count))


def parse_range(value: int | str) -> Range:
    """Return 3, "3" or "1:4" as a range.  Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,4})(?::([0-9]{1,4}))?", str(value).strip(), re.ASCII)
    if match is None:
        raise UsageError(
            f"{str(value)[:80]!r} is no number of replicas.", "Write a number or MIN:MAX: 1:4."
        )
    return Range(int(match[1]), int(match[2] or match[1]))


# --- what is seen ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What one gateway has counted for a version: what waits, and seconds at work so far."""

    waiting: int
    busy_seconds: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What one gateway process says at one moment (its monotonic clock)."""

    pid: int
    at: float
    work: Mapping[tuple[str, str], Work]


@dataclass(frozen=True, slots=True)
class Load:
    """`waiting` requests, and so many replicas at work on average since the last look."""

    waiting: int
    busy: float

    def replicas(self) -> int:
        """How many replicas this load asks for."""
        # A little below the whole number: 0.7 / 0.7 is one replica, whatever the last bit says.
        return math.ceil(self.busy / TARGET_BUSY + self.waiting / TARGET_WAITING - 1e-9)

    def __str__(self) -> str:
        if self.waiting:
            return f"{self.waiting} request{'' if self.waiting == 1 else 's'} waiting"
        return f"work for {self.busy:.1f} replicas"


def load_of(version: tuple[str, str], before: Iterable[Sight], now: Iterable[Sight]) -> Load:
    """The load of a version, over all gateways that were seen twice."""
    known = {sight.pid: sight for sight in before}
    waiting, busy = 0, 0.0
    for sight in now:
        work = sight.work.get(version, Work(0, 0.0))
        waiting += work.waiting
        old = known.get(sight.pid)
        if old is not None and sight.at > old.at:
            done = work.busy_seconds - old.work.get(version, Work(0, 0.0)).busy_seconds
            busy += max(0.0, done) / (sight.at - old.at)
    return Load(waiting, busy)


# --- what is decided ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Span:
    """From `start` to `end`, each look asked for `count` replicas."""

    start: float
    end: float
    count: int


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas a version shall have, and what the latest looks asked for, oldest first."""

    wanted: int
    spans: tuple[_Span, ...]

    @classmethod
    def begin(cls, wanted: int, now: float) -> Scaling:
        """A version that has `wanted` replicas, as if they had been needed until now."""
        return cls(wanted, (_Span(now, now, wanted),))


def decide(
    state: Scaling, load: Load, limits: Range, now: float, *, down_seconds: float
) -> tuple[Scaling, int]:
    """What the version shall have after a look at its load, and how many replicas that is."""
    if now - state.spans[-1].end > BLIND_SECONDS:
        state = Scaling.begin(state.wanted, now)
    asked = limits.clamp(load.replicas())
    spans = _seen(state.spans, asked, now, max(UP_SECONDS, down_seconds))
    lowest = min(span.count for span in spans if span.end >= now - UP_SECONDS)
    highest = max(span.count for span in spans if span.end >= now - down_seconds)
    wanted = limits.clamp(min(max(state.wanted, lowest), highest))
    return Scaling(wanted, spans), wanted


def _seen(spans: tuple[_Span, ...], count: int, now: float, kept: float) -> tuple[_Span, ...]:
    last = spans[-1]
    if last.count == count:
        spans = (*spans[:-1], replace(last, end=now))
    else:
        spans = (*spans, _Span(now, now, count))
    return tuple(span for span in spans if span.end >= now - kept)
