"""What an endpoint did, kept over the deaths of those who count."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator

import httpx
import psutil
import pytest

from jupyter_deploy.client.figures import EndpointMetrics, MetricsSeries
from jupyter_deploy.client.models import ChangeTraffic, Recent
from tests.process.damage import until_registrars_end
from tests.process.stack import Stack, me, stack
from tests.support import wait_until

SECONDS = 30.0


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        yield running


def counted(one: Stack, requests: int, window: float = 300.0) -> EndpointMetrics:
    """The figures, once so many requests are in them."""

    def enough() -> EndpointMetrics | None:
        found = one.client.metrics("churn", window)
        return found if found.requests >= requests else None

    found = wait_until(enough, SECONDS)
    assert found.requests == requests
    return found


def number_of(series: MetricsSeries, step: int) -> float:
    return round(sum(series.requests) * step)


def test_requests_are_counted_by_version_consumer_and_status(one):
    one.deploy("churn", 1.0)
    one.deploy("churn", 2.0)
    for _ in range(3):
        one.predict("churn")
    one.predict("churn", version="1.0.0")
    url = f"{one.endpoint('churn').url}/invocations"
    key = {"authorization": f"Bearer {one.key('churn')}"}
    assert httpx.post(url, json={"inputs": [["x", "y"]]}, headers=key).status_code == 400
    assert httpx.post(url, json={}).status_code == 401
    found = counted(one, 6)
    assert (found.errors_4xx, found.errors_5xx, found.rows) == (2, 0, 8)
    by_version = {series.name: number_of(series, 1) for series in found.versions}
    assert by_version == {"1.1.0": 5, "1.0.0": 1}
    assert [number_of(series, 1) for series in found.consumers] == [5]
    assert found.p50_ms is not None
    assert found.p50_ms <= found.p95_ms <= found.p99_ms
    assert len(found.total.requests) == 300


def test_predictions_are_shown_beside_the_answers_to_the_sample(one):
    found = {(shown.version, shown.of): shown for shown in counted(one, 6).predictions}[
        "1.1.0", "values"
    ]
    assert sum(found.baseline) == 2
    assert sum(found.counts) == 6
    # The test's calls send the sample itself, so that both have the same shape.
    assert [count / 3 for count in found.counts] == list(found.baseline)


def test_changes_of_traffic_are_marked_and_replicas_are_counted(one):
    one.client.rollback("churn", ChangeTraffic(me()))
    one.predict("churn")
    found = counted(one, 7)
    assert [mark.kind for mark in found.marks] == ["deploy", "deploy", "rollback"]
    assert [mark.what for mark in found.marks] == ["deployed", "deployed", "rolled-back"]
    assert "1.1.0" in found.marks[-1].text
    ready = wait_until(
        lambda: [n for n in one.client.metrics("churn", 300.0).total.replicas if n], SECONDS
    )
    assert max(ready) == 2


def test_the_status_tells_what_happened_lately(one):
    def all_in_line() -> Recent | None:
        # A step that is not over yet is left out.
        recent = one.endpoint("churn").recent
        return recent if round(sum(recent.line) * recent.step_seconds) >= 7 else None

    recent = wait_until(all_in_line, SECONDS)
    assert round(sum(recent.line) * recent.step_seconds) == 7
    assert recent.per_second >= 0


def test_no_death_counts_twice_or_loses_what_was_collected(one):
    os.kill(one.client.status().gateway.pids[0], signal.SIGKILL)
    one.predict("churn")
    counted(one, 8)
    supervisor = one.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(supervisor)] if psutil.pid_exists(supervisor) else [], 10)
    # The gateway counts on, and is asked for it by the next supervisor.
    url = f"http://127.0.0.1:{os.environ['JUPYTER_DEPLOY_PORT']}/endpoints/churn/ping"
    assert httpx.get(url).status_code == 200
    one.start()
    one.predict("churn")
    found = counted(one, 9)
    assert all(rate >= 0 for rate in found.total.requests)
    assert any(mark.kind == "failure" for mark in found.marks)
    until_registrars_end(one)
    one.stop()
    one.start()
    assert counted(one, 9, 3600.0).requests == 9


def test_a_file_that_is_damaged_while_it_is_used_stops_no_request(one):
    file = one.home / "metrics.db"
    with sqlite3.connect(file) as db:
        db.execute("UPDATE counts SET counts = x'ff'")
        db.commit()
    db.close()
    one.client.metrics("churn", 300.0)
    wait_until((one.home / "metrics.db.damaged").exists, SECONDS)
    assert one.predict("churn") == [3.0, 7.0]
    counted(one, 1)
