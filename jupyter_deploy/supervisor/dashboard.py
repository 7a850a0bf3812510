"""The dashboard of one endpoint: its counts, and what happened to it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from jupyter_deploy.client.figures import EndpointMetrics, MetricsMark
from jupyter_deploy.client.models import AuditEntry, Event
from jupyter_deploy.core.series import span_of
from jupyter_deploy.supervisor.metrics.baselines import Baseline
from jupyter_deploy.supervisor.metrics.document import Axis, document
from jupyter_deploy.supervisor.parts import Parts
from jupyter_deploy.supervisor.state import Endpoint
from jupyter_deploy.supervisor.store import reading

_AUDIT_LIMIT = 500
_CHANGES: dict[str, Literal["deploy", "rollback", "failure"]] = {
    "deployed": "deploy",
    "promoted": "deploy",
    "undeployed": "deploy",
    "rolled-back": "rollback",
    "version-failed": "failure",
}
_FAILURES = frozenset(
    {
        "deploy-failed",
        "version-failing",
        "replica-ended",
        "replica-silent",
        "gateway-ended",
        "gateway-silent",
        "gateway-hung",
    }
)


async def document_of(parts: Parts, endpoint: Endpoint, window: float) -> EndpointMetrics:
    """What `endpoint` did in the last `window` seconds."""
    axis = Axis.of(window, time.time())
    records = await parts.collector.read(endpoint.name, axis.start, span_of(axis.step))
    audit = await parts.store.read(lambda c: reading.audit(c, endpoint.name, _AUDIT_LIMIT))
    events = await parts.journal.after(0, 0.0)
    marks = [*_changes(audit), *_failures(events, endpoint.name)]

    def baseline(version: str) -> Baseline | None:
        known = parts.state.versions_of(endpoint.name)
        found = next((one for one in known if one.version == version), None)
        return None if found is None else parts.baselines.of(found)

    return document(
        endpoint.name, records, axis, window,
        marks=[mark for mark in marks if axis.start <= mark.at], baseline=baseline,
    )  # fmt: skip


def _changes(audit: list[AuditEntry]) -> Iterator[MetricsMark]:
    for entry in audit:
        kind = _CHANGES.get(entry.action)
        if kind is not None:
            yield MetricsMark(entry.at, kind, "", entry.detail, entry.action)


def _failures(events: list[Event], endpoint: str) -> Iterator[MetricsMark]:
    for event in events:
        if event.kind in _FAILURES and event.endpoint in (endpoint, ""):
            yield MetricsMark(event.at, "failure", event.version, event.message[:200], event.kind)
