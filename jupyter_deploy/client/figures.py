"""What the control API says of an endpoint's traffic over time; see models.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricsSeries:
    """The figures of a version, a consumer or all: one value for each point in time.

    Requests and errors are per second, times in milliseconds (None: no good answer), `waiting` is
    the mean depth of the queue.  A consumer has no queue and no replicas: these are empty.
    """

    name: str
    requests: tuple[float, ...]
    errors_4xx: tuple[float, ...]
    errors_5xx: tuple[float, ...]
    p50_ms: tuple[float | None, ...]
    p95_ms: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]
    waiting: tuple[float, ...] = ()
    replicas: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class MetricsMark:
    """Something that happened in the window: `kind` is "deploy", "rollback" or "failure".

    `what` is the action of the audit trail or the kind of the event that `text` belongs to.
    """

    at: float
    kind: Literal["deploy", "rollback", "failure"]
    version: str
    text: str
    what: str = ""


@dataclass(frozen=True)
class PredictionCounts:
    """How often a version predicted what, beside its baseline: its answers to the sample.

    `names` are classes, or bins; `of` is "classes", "values" or "probabilities".
    """

    version: str
    of: Literal["classes", "values", "probabilities"]
    names: tuple[str, ...]
    counts: tuple[int, ...]
    baseline: tuple[int, ...]


@dataclass(frozen=True)
class EndpointMetrics:
    """What an endpoint did in a window: counts, times in milliseconds, and figures over time.

    Point `i` is that of the `step_seconds` from `start + i * step_seconds` on.  `waiting` is the
    queue now.  There are series for the versions and consumers with the most requests.
    """

    name: str
    requests: int
    errors_4xx: int
    errors_5xx: int
    rows: int
    waiting: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    window_seconds: float
    start: int
    step_seconds: int
    total: MetricsSeries
    versions: tuple[MetricsSeries, ...] = ()
    consumers: tuple[MetricsSeries, ...] = ()
    marks: tuple[MetricsMark, ...] = ()
    predictions: tuple[PredictionCounts, ...] = ()
