"""What an endpoint did in a span of time, as counts that add up.

Rule 1: counts of two spans, two versions, two consumers or two processes are merged by adding, so
that the order never matters and nothing is counted twice by being looked at more coarsely.
Rule 2: pure: times are arguments, in whole seconds since the epoch.

A latency is counted in a bucket that is 4.4 % wide; a quantile is the middle of its bucket, so it
is off by at most 2.2 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import log2
from typing import TypeVar

K = TypeVar("K")

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86400
#: The widths that are kept, finest first.
SPANS = (SECOND, MINUTE, HOUR)
#: Buckets for each doubling of a latency.
_PER_OCTAVE = 16
_SHORTEST = 1e-6
#: No document has more points than this.
MOST_POINTS = 300
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY)
#: Bins of a probability, from 0 to 1.
PROBABILITY_BINS = 20


@dataclass(slots=True)
class Counts:
    """Counts of one version and consumer in one span.

    `seconds` holds good answers by latency bucket.  The fields from `rows` on belong to a version
    and not to a consumer: `waiting` adds up the requests that waited, once a second, so that
    divided by the span it is the mean depth of the queue; `replicas` is the most that were ready.
    `labels` counts predictions by class, `values` by bin of the baseline (0 is below all bins), and
    `probabilities` the probability of the positive or the likeliest class by bin.
    """

    statuses: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    waiting: int = 0
    replicas: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)
    probabilities: dict[int, int] = field(default_factory=dict)

    def add(self, other: Counts) -> Counts:
        """Add `other` to this; returns this."""
        _add(self.statuses, other.statuses)
        _add(self.seconds, other.seconds)
        _add(self.labels, other.labels)
        _add(self.values, other.values)
        _add(self.probabilities, other.probabilities)
        self.rows += other.rows
        self.waiting += other.waiting
        self.replicas = max(self.replicas, other.replicas)
        return self

    @property
    def requests(self) -> int:
        """All requests that were answered."""
        return sum(self.statuses.values())

    @property
    def errors_4xx(self) -> int:
        """Those that were the caller's fault."""
        return sum(n for status, n in self.statuses.items() if 400 <= status < 500)

    @property
    def errors_5xx(self) -> int:
        """Those that were ours."""
        return sum(n for status, n in self.statuses.items() if status >= 500)


@dataclass(frozen=True, slots=True)
class Record:
    """The counts of one span that begins at `at`.

    `consumer` is "" for what belongs to the version itself, and for callers without a valid key.
    """

    at: int
    endpoint: str
    version: str
    consumer: str
    counts: Counts

    @property
    def key(self) -> tuple[int, str, str, str]:
        """What no two records of one width share."""
        return self.at, self.endpoint, self.version, self.consumer


@dataclass(frozen=True, slots=True)
class History:
    """What one gateway process counted after a cursor, second by second.

    `cursor` is where to go on, and `more` says that there is something to go on with.
    `turned_away` connections have been refused since the process started.
    """

    cursor: str
    records: tuple[Record, ...]
    more: bool
    turned_away: int = 0


def bucket(seconds: float) -> int:
    """The bucket of a latency."""
    return math.floor(log2(seconds if seconds > _SHORTEST else _SHORTEST) * _PER_OCTAVE)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The latency in seconds that `share` of the counted ones do not exceed; None without any."""
    left = share * sum(buckets.values())
    for index in sorted(buckets):
        left -= buckets[index]
        if left <= 0:
            return float(2 ** ((index + 0.5) / _PER_OCTAVE))
    return None


def total(several: Iterable[Counts]) -> Counts:
    """All of them together."""
    result = Counts()
    for one in several:
        result.add(one)
    return result


def rolled(records: Iterable[Record], span: int) -> list[Record]:
    """The same counts in records of `span` seconds, by time."""
    found: dict[tuple[int, str, str, str], Counts] = {}
    for record in records:
        key = (floor(record.at, span), record.endpoint, record.version, record.consumer)
        found.setdefault(key, Counts()).add(record.counts)
    return [Record(*key, counts) for key, counts in sorted(found.items())]


def floor(at: float, span: int) -> int:
    """The begin of the span in which `at` lies."""
    return math.floor(at / span) * span


def step_of(window: float) -> int:
    """The seconds between two points of a figure over `window`: at most MOST_POINTS of them."""
    for step in _STEPS:
        if window <= step * MOST_POINTS:
            return step
    return math.ceil(window / MOST_POINTS / DAY) * DAY


def span_of(step: int) -> int:
    """The coarsest kept width that makes points of `step` seconds."""
    return max(span for span in SPANS if span <= step)


def _add(into: dict[K, int], other: dict[K, int]) -> None:
    for key, count in other.items():
        into[key] = into.get(key, 0) + count
