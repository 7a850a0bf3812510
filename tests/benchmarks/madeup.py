"""What a supervisor with many endpoints would say, without the processes."""

from __future__ import annotations

from typing import Any

_ORIGIN = {"user": "ada", "via": "notebook", "notebook": "/home/ada/churn.ipynb", "cell": "c1"}


def status(endpoints: int, now: float) -> dict[str, Any]:
    """The whole status, with endpoints under load that serve their third version."""
    return {
        "supervisor": {"pid": 1, "version": "0.1.0", "started_at": now, "home": "/", "note": ""},
        "gateway": {"pids": [2], "url": "http://127.0.0.1:8900", "note": "", "processes": 1},
        "registry": {"tracking_uri": "sqlite:///x", "ui_url": None, "open_with": "", "pending": 0},
        "endpoints": [_endpoint(f"model-{number:02}", number, now) for number in range(endpoints)],
    }


def _endpoint(name: str, number: int, now: float) -> dict[str, Any]:
    states = {"1.0.0": "retired", "1.1.0": "standby", "1.2.0": "active"}
    return {
        "name": name,
        "url": f"http://127.0.0.1:8900/endpoints/{name}",
        "state": "serving",
        "active": "1.2.0",
        "standby": "1.1.0",
        "generation": 3,
        "versions": [_version(one, state, now) for one, state in states.items()],
        "key_file": f"/home/ada/keys/{name}.key",
        "deploying": None,
        "example": '{"inputs": [[1, 2]]}',
        "recent": {
            "per_second": 3.0 + number,
            "p95_ms": 4.2,
            "error_share": 0.0,
            "failed_share": 0.0,
            "step_seconds": 5.0,
            "line": [(number * 7 + place * 5) % 11 for place in range(60)],
        },
        "moved_alias": None,
    }


def _version(version: str, state: str, now: float) -> dict[str, Any]:
    replica = {"replica_id": f"{version}-1", "pid": 7, "state": "ready", "restarts": 0}
    return {
        "version": version,
        "state": state,
        "mlflow_version": "1",
        "mlflow_uri": "models:/churn/1",
        "created_at": now - 3600,
        "origin": _ORIGIN | {"pid": 1, "pid_started": 1.0},
        "why": "first version",
        "reason": "",
        "log": [],
        "replicas": [] if state == "retired" else [replica | {"rss_bytes": 100_000_000}],
        "previous": None,
        "least_replicas": 1,
        "most_replicas": 1,
        "metrics": {"accuracy": 0.93},
        "percent": 100.0 if state == "active" else 0.0,
    }
