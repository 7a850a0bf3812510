"""Fast is worth nothing if it is wrong: every answer under load against the model in process.

Two gateways answer; with `--all`, one alone does too.
"""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import psutil
import pytest

from jupyter_deploy import deploy
from jupyter_deploy.client.discovery import running
from jupyter_deploy.core.manifest import Origin
from tests.benchmarks.models import cancer_data, churn_data, unfitted
from tests.support import free_port, wait_until

REQUESTS = 20_000
#: Different requests; each is sent many times, next to others each time.
DIFFERENT = 1_000
CONNECTIONS = 64
MOST_ROWS = 8
#: The part of a request id that tells gateways apart.
_GATEWAY = slice(0, 12)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Served:
    """An endpoint, and the model that it serves."""

    url: str
    key: str
    model: Any
    rows: pd.DataFrame


@dataclass(frozen=True)
class Case:
    """One request and what the model answers to its rows in process."""

    served: Served
    content_type: str
    body: bytes
    labels: list[Any]
    probabilities: np.ndarray


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    request_id: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    gateways = [2, 1] if metafunc.config.getoption("--all") else [2]
    metafunc.parametrize("endpoints", gateways, indirect=True, ids="{} gateways".format)


@pytest.fixture
def endpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Served]]:
    """A model of floats and one of mixed columns with missing values, side by side."""
    (tmp_path / "jupyter_deploy_config.py").write_text(
        f"c.SupervisorApp.gateway_processes = {request.param}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
        patch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "home"))
        patch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
        try:
            served = [_serve("logistic", *cancer_data()), _serve("churn", *churn_data())]
            wait_until(lambda: _gateways() == request.param, 30)
            yield served
        finally:
            _stop()


def test_20000_mixed_requests_at_64_connections_get_the_models_own_answers(endpoints):
    dice = random.Random(0)
    cases = [_case(dice.choice(endpoints), dice) for _ in range(DIFFERENT)]
    sent = [dice.choice(cases) for _ in range(REQUESTS)]
    answers = _send(sent)
    wrong = [_difference(case, answer) for case, answer in zip(sent, answers, strict=True)]
    assert [difference for difference in wrong if difference][:5] == []
    assert len({answer.request_id for answer in answers}) == REQUESTS
    assert len({answer.request_id[_GATEWAY] for answer in answers}) == _gateways()


def _serve(name: str, frame: pd.DataFrame, target: Any) -> Served:
    model = unfitted(name).fit(frame, target)
    deployed = deploy(model, name, sample=frame)
    key = Path(deployed.key_file).read_text().strip()
    # Rows with a missing value are few: they come more often here than in the data.
    missing = frame[frame.isna().any(axis=1)]
    rows = pd.concat([frame.sample(400, random_state=0), missing], ignore_index=True)
    return Served(deployed.url, key, model, rows)


def _case(served: Served, dice: random.Random) -> Case:
    rows = served.rows.sample(dice.randint(1, MOST_ROWS), random_state=dice.randrange(10**6))
    content_type, body = dice.choice((_split, _records, _instances, _inputs, _csv))(rows, dice)
    return Case(
        served,
        content_type,
        body,
        served.model.predict(rows).tolist(),
        served.model.predict_proba(rows),
    )


def _split(rows: pd.DataFrame, dice: random.Random) -> tuple[str, bytes]:
    columns = dice.sample(list(rows.columns), len(rows.columns))
    return _json({"dataframe_split": {"columns": columns, "data": _values(rows[columns])}})


def _records(rows: pd.DataFrame, dice: random.Random) -> tuple[str, bytes]:
    return _json({"dataframe_records": _dicts(rows)})


def _instances(rows: pd.DataFrame, dice: random.Random) -> tuple[str, bytes]:
    return _json({"instances": dice.choice((_values, _dicts))(rows)})


def _inputs(rows: pd.DataFrame, dice: random.Random) -> tuple[str, bytes]:
    values = _values(rows)
    return _json(
        {"inputs": {name: [row[i] for row in values] for i, name in enumerate(rows.columns)}}
    )


def _csv(rows: pd.DataFrame, dice: random.Random) -> tuple[str, bytes]:
    return "text/csv", rows.to_csv(index=False).encode()


def _values(rows: pd.DataFrame) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(rows.to_json(orient="values", double_precision=15))
    return found


def _dicts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(rows.columns, row, strict=True)) for row in _values(rows)]


def _json(body: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(body).encode()


def _send(sent: list[Case]) -> list[Answer]:
    """The answers, in order, over CONNECTIONS connections that are kept alive."""
    queues = [sent[number::CONNECTIONS] for number in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = list(pool.map(_send_in_turn, queues))
    return [answers[number % CONNECTIONS][number // CONNECTIONS] for number in range(len(sent))]


def _send_in_turn(sent: list[Case]) -> list[Answer]:
    url = urlsplit(sent[0].served.url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        return [_ask(connection, case) for case in sent]
    finally:
        connection.close()


def _ask(connection: http.client.HTTPConnection, case: Case) -> Answer:
    headers = {"Content-Type": case.content_type, "Authorization": f"Bearer {case.served.key}"}
    path = f"{urlsplit(case.served.url).path}/invocations"
    connection.request("POST", path, case.body, headers)
    response = connection.getresponse()
    return Answer(response.status, response.read(), response.headers["X-Request-Id"] or "")


def _difference(case: Case, answer: Answer) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if answer.status != 200:
        return f"{answer.status} {answer.body[:300]!r} for {case.body[:300]!r}"
    found = json.loads(answer.body)
    if found["predictions"] != case.labels:
        return f"{found['predictions']}, not {case.labels}"
    # A batch of another size may add up in another order: the last bits are the library's.
    if not np.allclose(found["probabilities"], case.probabilities, rtol=1e-9, atol=1e-12):
        return f"{found['probabilities']}, not {case.probabilities.tolist()}"
    return ""


def _gateways() -> int:
    """How many run."""
    client = running()
    assert client is not None
    with client:
        return len(client.status().gateway.pids)


def _stop() -> None:
    """Stop the stack, and see all of it end."""
    client = running()
    if client is None:
        return
    with client:
        supervisor = psutil.Process(client.ping())
        family = [supervisor, *supervisor.children(recursive=True)]
        client.stop(Origin("tests", "python"))
    wait_until(lambda: not any(map(_lives, family)), 45)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
