"""One version that is served: all that was made from its route, ready for requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from jupyter_deploy.client.models import RequestFailure
from jupyter_deploy.core.predictions import Predictions
from jupyter_deploy.core.snapshot import VersionRoute
from jupyter_deploy.errors import RequestError
from jupyter_deploy.gateway.answers import AnswerEncoder
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import InputDecoder
from jupyter_deploy.gateway.dispatch import VersionQueue, Work
from jupyter_deploy.gateway.dispatch.poison import Ledger
from jupyter_deploy.gateway.dispatch.work import Trace
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.metrics import VersionMetrics

KeepFailure = Callable[[str, RequestFailure], None]


class VersionService:
    """Decoder, queue and encoder of one version of one endpoint."""

    def __init__(
        self, endpoint: str, route: VersionRoute, metrics: VersionMetrics, ledger: Ledger,
        keep: KeepFailure, log: Log, processes: int = 1,
    ) -> None:  # fmt: skip
        self.endpoint = endpoint
        self.route = route
        self.metrics = metrics
        metrics.predictions = Predictions(route.contract.output, route.bins)
        self.decoder = InputDecoder(route.contract, whole=not route.batchable)
        self.arrays = ArrayBuilder(route.contract)
        self.answers = AnswerEncoder(route.contract.output)
        self.version_header = (b"x-model-version", route.version.encode())
        self._keep = keep
        self._log = log.bind(endpoint=endpoint, version=route.version)
        self.queue = VersionQueue(
            self.arrays,
            batchable=route.batchable,
            timeout=route.timeout_seconds,
            ledger=ledger,
            on_failure=self._failed,
            on_batch=metrics.count_batch,
            log=self._log,
            processes=processes,
        )

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        return self.queue.connected > 0

    def serves(self, route: VersionRoute) -> bool:
        """Whether `route` differs from this service's in nothing but its replicas."""
        return replace(route, replicas=()) == replace(self.route, replicas=())

    def update(self, route: VersionRoute) -> None:
        """Use the replicas of `route`."""
        self.route = route
        self.queue.update(route.replicas)

    def refresh_metrics(self) -> VersionMetrics:
        """The counts, with what is waiting and connected at this moment."""
        self.metrics.waiting = self.queue.waiting
        self.metrics.replicas = self.queue.connected
        return self.metrics

    def _failed(self, work: Work, error: RequestError, trace: Trace) -> None:
        self._log.warning(
            "request failed", request_id=work.request_id, code=error.code, error=trace.type
        )
        message = f"{trace.type}: {trace.message}" if trace.type else error.detail
        failure = RequestFailure(
            request_id=work.request_id, at=time.time(), version=self.route.version,
            consumer=work.consumer, code=error.code, message=message, trace=trace.trace,
        )  # fmt: skip
        self._keep(self.endpoint, failure)
