"""From counts to the document that a dashboard draws.  Pure.

Rule 1: a point that is not over yet is divided by the time that it has had.  Rule 2: what is left
out (versions and consumers beyond the first few) is in the total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from jupyter_deploy.client.figures import (
    EndpointMetrics,
    MetricsMark,
    MetricsSeries,
    PredictionCounts,
)
from jupyter_deploy.core.series import (
    PROBABILITY_BINS,
    Counts,
    Record,
    floor,
    quantile,
    step_of,
    total,
)
from jupyter_deploy.supervisor.metrics.baselines import Baseline

_MOST_VERSIONS, _MOST_CONSUMERS, _MOST_MARKS = 4, 4, 50
#: The number of ready replicas is taken to hold for so long.
_REPLICAS_HOLD_SECONDS = 60
_DIGITS = 3
#: Of the edge of a bin, at least; so many tell any two numbers apart.
_BIN_DIGITS, _MOST_DIGITS = 4, 17
_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Axis:
    """Points in time: `count` of `step` seconds each from `start` on, known up to `now`."""

    start: int
    step: int
    count: int
    now: int

    @classmethod
    def of(cls, window: float, now: float) -> Axis:
        """The points of the last `window` seconds; the present second is not known yet."""
        step = step_of(window)
        known = int(now) - 1
        count = max(1, math.ceil(window / step))
        return cls(floor(known, step) - (count - 1) * step, step, count, known)

    def place(self, at: int) -> int:
        """The point in which `at` lies."""
        return (at - self.start) // self.step

    def seconds(self, place: int) -> int:
        """How much of a point has passed."""
        return max(1, min(self.step, self.now + 1 - (self.start + place * self.step)))


def document(
    name: str, records: Sequence[Record], axis: Axis, window: float,
    *, marks: Iterable[MetricsMark], baseline: Callable[[str], Baseline | None],
) -> EndpointMetrics:  # fmt: skip
    """What endpoint `name` did, from its counts; `baseline` is that of a version, where known."""
    inside = [one for one in records if axis.start <= one.at <= axis.now]
    everything = total(one.counts for one in inside)
    # Whoever has no valid key is counted in the total, and is no consumer.
    consumers = _ranked([one for one in inside if one.consumer], lambda one: one.consumer)
    versions = _ranked(inside, lambda one: one.version)
    shown = sorted(marks, key=lambda mark: mark.at)[-_MOST_MARKS:]
    return EndpointMetrics(
        name=name,
        requests=everything.requests,
        errors_4xx=everything.errors_4xx,
        errors_5xx=everything.errors_5xx,
        rows=everything.rows,
        waiting=sum(one.counts.waiting for one in inside if one.at == axis.now),
        p50_ms=_milliseconds(everything, 0.5),
        p95_ms=_milliseconds(everything, 0.95),
        p99_ms=_milliseconds(everything, 0.99),
        window_seconds=window,
        start=axis.start,
        step_seconds=axis.step,
        total=_series("", inside, axis),
        versions=tuple(_series(*item, axis) for item in versions[:_MOST_VERSIONS]),
        consumers=tuple(
            _series(*item, axis, of_consumer=True) for item in consumers[:_MOST_CONSUMERS]
        ),
        marks=tuple(shown),
        predictions=tuple(
            found
            for version, own in versions[:_MOST_VERSIONS]
            for found in _predictions(version, total(one.counts for one in own), baseline(version))
        ),
    )


def _ranked(
    records: Iterable[Record], name: Callable[[Record], str]
) -> list[tuple[str, list[Record]]]:
    """Records by name, those with the most requests first."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(name(record), []).append(record)
    return sorted(
        groups.items(), key=lambda item: (-sum(one.counts.requests for one in item[1]), item[0])
    )


def _series(
    name: str, records: Iterable[Record], axis: Axis, *, of_consumer: bool = False
) -> MetricsSeries:
    points = [Counts() for _ in range(axis.count)]
    ready: list[dict[str, int]] = [{} for _ in range(axis.count)]
    for one in records:
        place = axis.place(one.at)
        points[place].add(one.counts)
        if one.counts.replicas:
            ready[place][one.version] = max(ready[place].get(one.version, 0), one.counts.replicas)
    spans = [axis.seconds(place) for place in range(axis.count)]
    pairs = list(zip(points, spans, strict=True))
    return MetricsSeries(
        name=name,
        requests=tuple(_short(one.requests / span) for one, span in pairs),
        errors_4xx=tuple(_short(one.errors_4xx / span) for one, span in pairs),
        errors_5xx=tuple(_short(one.errors_5xx / span) for one, span in pairs),
        p50_ms=tuple(_milliseconds(one, 0.5) for one in points),
        p95_ms=tuple(_milliseconds(one, 0.95) for one in points),
        p99_ms=tuple(_milliseconds(one, 0.99) for one in points),
        waiting=() if of_consumer else tuple(_short(one.waiting / span) for one, span in pairs),
        replicas=() if of_consumer else _held(ready, axis),
    )


def _held(ready: Sequence[dict[str, int]], axis: Axis) -> tuple[int | None, ...]:
    """Ready replicas of all versions; a number holds until the next one, for a while."""
    result: list[int | None] = []
    last: int | None = None
    since = 0
    for known in ready:
        since = 0 if known else since + axis.step
        last = sum(known.values()) if known else last
        result.append(last if since <= max(_REPLICAS_HOLD_SECONDS, axis.step) else None)
    return tuple(result)


def _predictions(
    version: str, counts: Counts, baseline: Baseline | None
) -> Iterable[PredictionCounts]:
    base = Baseline() if baseline is None else baseline
    if counts.labels or base.counts.labels:
        both = {**base.counts.labels, **counts.labels}
        names = sorted(both, key=lambda one: (-base.counts.labels.get(one, 0), one))
        yield PredictionCounts(
            version, "classes", tuple(names),
            tuple(counts.labels.get(one, 0) for one in names),
            tuple(base.counts.labels.get(one, 0) for one in names),
        )  # fmt: skip
    if base.bins:
        places = range(len(base.bins) + 1)
        yield _binned(
            version, "values", _names(base.bins), counts.values, base.counts.values, places
        )
    if counts.probabilities or base.counts.probabilities:
        edges = [place / PROBABILITY_BINS for place in range(PROBABILITY_BINS + 1)]
        names_ = tuple(f"{a:.2f} to {b:.2f}" for a, b in pairwise(edges))
        places = range(PROBABILITY_BINS)
        yield _binned(
            version, "probabilities", names_,
            counts.probabilities, base.counts.probabilities, places,
        )  # fmt: skip


def _binned(
    version: str, of: Literal["values", "probabilities"], names: tuple[str, ...],
    counts: dict[int, int], baseline: dict[int, int], places: range,
) -> PredictionCounts:  # fmt: skip
    return PredictionCounts(
        version, of, names,
        tuple(counts.get(place, 0) for place in places),
        tuple(baseline.get(place, 0) for place in places),
    )  # fmt: skip


def _names(bins: tuple[float, ...]) -> tuple[str, ...]:
    """Names of what lies below the bins, in each of them, and above."""
    edges = _apart(bins)
    between = (f"{a} to {b}" for a, b in pairwise(edges))
    return (f"below {edges[0]}", *between, f"above {edges[-1]}")


def _apart(bins: tuple[float, ...]) -> list[str]:
    """The bins with as few digits as tell them apart: a figure draws those of one name as one."""
    for digits in range(_BIN_DIGITS, _MOST_DIGITS):
        texts = [f"{edge:.{digits}g}" for edge in bins]
        if len(set(texts)) == len(texts):
            return texts
    return [f"{edge:.{_MOST_DIGITS}g}" for edge in bins]


def _milliseconds(counts: Counts, share: float) -> float | None:
    found = quantile(counts.seconds, share)
    return None if found is None else _short(found * _MS)


def _short(value: float) -> float:
    """`value` with as many digits as a figure can show; a saved notebook holds thousands."""
    return float(f"{value:.{_DIGITS}g}") if value else 0
