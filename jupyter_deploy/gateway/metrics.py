"""What the gateway counts: plain numbers in Python objects, made into Prometheus text on demand.

Rule 1: nothing is counted by a key, a value or a path, only by endpoint, version, consumer and
status, all of which the snapshot bounds.  Rule 2: counting costs no more than a few additions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from jupyter_deploy.core.predictions import Predictions
from jupyter_deploy.core.series import Counts, Record, bucket
from jupyter_deploy.wire.messages import PredictAnswer

#: Upper bounds in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
           30.0)  # fmt: skip
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_CLIENT_ERROR = 400
_PROCESS = "jupyter_deploy_gateway"


class Histogram:
    """Counts of values by bucket; the last count is of what is above all buckets."""

    __slots__ = ("_buckets", "_counts", "total")

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._buckets, value)] += 1
        self.total += value

    def counts(self) -> list[int]:
        """One count for each bucket, and one for what is above all."""
        return list(self._counts)

    def merge(self, counts: list[int], total: float) -> None:
        """Count what another one has counted."""
        self._counts = [one + other for one, other in zip(self._counts, counts, strict=True)]
        self.total += total

    def cumulated(self) -> list[tuple[str, float]]:
        """Prometheus' form: for each upper bound, how many values are not above it."""
        below = 0
        result = []
        for bound, count in zip((*self._buckets, "+Inf"), self._counts, strict=True):
            below += count
            result.append((str(bound), float(below)))
        return result


class Totals(msgspec.Struct, frozen=True):
    """What a gateway has counted of one version, as another one reads it.

    `requests` are (consumer, status, count); `waiting` and `replicas` are of this moment.
    """

    endpoint: str
    version: str
    requests: list[tuple[str, int, int]]
    seconds: tuple[list[int], float]
    batches: tuple[list[int], float]
    rows: int
    model_seconds: float
    waiting: int = 0
    replicas: int = 0


class VersionMetrics:
    """The counts of one version of one endpoint, since the start and since they were taken last.

    `wake` is told of the first request after that.  Seconds.
    """

    def __init__(
        self, endpoint: str, version: str, wake: Callable[[], None] = lambda: None
    ) -> None:
        self.endpoint = endpoint
        self.version = version
        self.seconds = Histogram(BUCKETS)
        self.batches = Histogram(BATCH_BUCKETS)
        self.rows = 0
        self.model_seconds = 0.0
        self.waiting = 0
        self.replicas = 0
        #: What the version served now predicts; a service that takes its place brings its own.
        self.predictions: Predictions | None = None
        self._wake = wake
        self._taken: dict[tuple[str, int], int] = {}
        self._fresh: dict[tuple[str, int, int], int] = {}
        self._fresh_rows = 0

    @property
    def requests(self) -> dict[tuple[str, int], int]:
        """How many were answered since the start, by consumer and status."""
        found = dict(self._taken)
        for (consumer, status, _), count in self._fresh.items():
            found[consumer, status] = found.get((consumer, status), 0) + count
        return found

    def totals(self) -> Totals:
        """Everything, for another gateway."""
        return Totals(
            endpoint=self.endpoint,
            version=self.version,
            requests=[(who, status, count) for (who, status), count in self.requests.items()],
            seconds=(self.seconds.counts(), self.seconds.total),
            batches=(self.batches.counts(), self.batches.total),
            rows=self.rows,
            model_seconds=self.model_seconds,
            waiting=self.waiting,
            replicas=self.replicas,
        )

    def merge(self, other: Totals) -> None:
        """Count what another gateway has counted; each is connected to the same replicas."""
        for consumer, status, count in other.requests:
            self._taken[consumer, status] = self._taken.get((consumer, status), 0) + count
        self.seconds.merge(*other.seconds)
        self.batches.merge(*other.batches)
        self.rows += other.rows
        self.model_seconds += other.model_seconds
        self.waiting += other.waiting
        self.replicas = max(self.replicas, other.replicas)

    def begin(self) -> None:
        """A request is about to wait for a replica."""
        self._wake()

    def count(self, consumer: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        self.seconds.add(seconds)
        key = (consumer, status, bucket(seconds) if status < _CLIENT_ERROR else 0)
        fresh = self._fresh
        if key in fresh:
            fresh[key] += 1
            return
        if not fresh:
            self._wake()
        fresh[key] = 1

    def count_batch(self, requests: int, rows: int, answer: PredictAnswer) -> None:
        """One frame has been answered."""
        self.batches.add(requests)
        self.rows += rows
        self._fresh_rows += rows
        self.model_seconds += answer.model_seconds
        if self.predictions is not None and answer.rowwise and not answer.columns:
            self.predictions.add(answer.arrays, rows)

    def take(self, at: int) -> list[Record]:
        """What happened since the last time, as that of second `at`."""
        if not (self._fresh or self._fresh_rows or self.waiting):
            return []
        own = Counts() if self.predictions is None else self.predictions.take()
        own.add(Counts(rows=self._fresh_rows, waiting=self.waiting))
        found = {"": own}
        for (consumer, status, place), count in self._fresh.items():
            counts = found.setdefault(consumer, Counts())
            counts.statuses[status] = counts.statuses.get(status, 0) + count
            if status < _CLIENT_ERROR:
                counts.seconds[place] = counts.seconds.get(place, 0) + count
        self._taken = self.requests
        self._fresh, self._fresh_rows = {}, 0
        return [Record(at, self.endpoint, self.version, *item) for item in found.items()]


def exposition(versions: Iterable[VersionMetrics], pids: Iterable[int] = ()) -> bytes:
    """All series of `versions` as Prometheus text, and of this process or each of several."""
    registry = CollectorRegistry()
    registry.register(_Series(list(versions)))
    if several := list(pids):
        registry.register(_Processes(several))
    else:
        ProcessCollector(namespace=_PROCESS, registry=registry)
    return generate_latest(registry)


class _Processes(Collector):
    """What `ProcessCollector` says of each process, told apart by a label."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for pid in self._pids:
            of_one = ProcessCollector(_PROCESS, partial(int, pid), registry=None)
            for metric in of_one.collect():
                family = found.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type)
                )
                for sample in metric.samples:
                    family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
        yield from found.values()


class _Series(Collector):
    def __init__(self, versions: list[VersionMetrics]) -> None:
        self._versions = versions

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._histogram(
            "jupyter_deploy_request_seconds", "From the first byte to the answer.", "seconds"
        )
        yield self._histogram("jupyter_deploy_batch_requests", "Requests in a frame.", "batches")
        yield self._gauge("jupyter_deploy_waiting_requests", "Not yet with a replica.", "waiting")
        yield self._gauge("jupyter_deploy_replicas", "Replicas connected.", "replicas")
        yield self._counter("jupyter_deploy_rows", "Rows predicted.", "rows")
        yield self._counter(
            "jupyter_deploy_model_seconds", "Seconds in the model's own call.", "model_seconds"
        )

    def _requests(self) -> Metric:
        labels = ["endpoint", "version", "consumer", "status"]
        family = CounterMetricFamily("jupyter_deploy_requests", "Requests answered.", labels=labels)
        for one in self._versions:
            for (consumer, status), count in one.requests.items():
                family.add_metric([one.endpoint, one.version, consumer, str(status)], count)
        return family

    def _histogram(self, name: str, text: str, field: str) -> Metric:
        family = HistogramMetricFamily(name, text, labels=["endpoint", "version"])
        for one in self._versions:
            histogram: Histogram = getattr(one, field)
            labels = [one.endpoint, one.version]
            family.add_metric(labels, histogram.cumulated(), histogram.total)
        return family

    def _gauge(self, name: str, text: str, field: str) -> Metric:
        family = GaugeMetricFamily(name, text, labels=["endpoint", "version"])
        for one in self._versions:
            family.add_metric([one.endpoint, one.version], float(getattr(one, field)))
        return family

    def _counter(self, name: str, text: str, field: str) -> Metric:
        family = CounterMetricFamily(name, text, labels=["endpoint", "version"])
        for one in self._versions:
            family.add_metric([one.endpoint, one.version], float(getattr(one, field)))
        return family
