"""The gateway as callers meet it: a real process, real replicas, plain HTTP."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from tests.gateways import Stack
from tests.support import wait_until

CHURN = Contract(
    Form.FRAME,
    (
        Column("tenure", Type.INTEGER, "int64", minimum=0, maximum=72),
        Column("charges", Type.FLOAT, "float64", nullable=True),
        Column("contract", Type.STRING, "str", categories=("monthly", "yearly")),
    ),
    output=Output(Type.STRING, classes=("No", "Yes"), probabilities=True),
)
EXAMPLE = {
    "dataframe_split": {
        "columns": ["tenure", "charges", "contract"],
        "data": [[3, None, "monthly"]],
    }
}
VECTOR = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,)), output=Output(Type.FLOAT))


class Churn:
    """Long tenure stays; what is missing counts as nothing."""

    def predict(self, frame):
        return frame["tenure"].map(lambda months: "No" if months > 12 else "Yes").to_numpy()

    def predict_proba(self, frame):
        import numpy as np

        stays = frame["tenure"].clip(0, 100).to_numpy() / 100
        return np.column_stack([stays, 1 - stays])


def total(x):
    if x[0, 0] == -1:
        raise ValueError("SECRET of /etc/passwd")
    return x.sum(axis=1)


def odd(x):
    """Infinity, NaN and a number are all that it answers."""
    import numpy as np

    return np.array([np.inf, np.nan, 1.5])[: len(x)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack()
    try:
        stack.deploy("churn", CHURN, Churn(), example=json.dumps(EXAMPLE), max_body_bytes=10_000)
        stack.deploy("churn", CHURN, Churn(), version="1.1.0", active=False)
        stack.deploy("total", VECTOR, total)
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("churn", "total", "odd", "gone")


# --- answers --------------------------------------------------------------------------------------


def test_a_classifier_answers_with_predictions_probabilities_and_classes(stack, key):
    body = {"dataframe_records": [{"tenure": 25, "contract": "x"}, {"tenure": 5, "contract": ""}]}
    answer = stack.predict("churn", body, key)
    assert answer.json() == {
        "predictions": ["No", "Yes"],
        "probabilities": [[0.25, 0.75], [0.05, 0.95]],
        "classes": ["No", "Yes"],
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model-version"] == "1.0.0"
    parts = re.findall(r"(\w+);dur=[0-9.]+", answer.headers["server-timing"])
    assert parts == ["parse", "queue", "model", "total"]
    assert "server" not in answer.headers


def test_csv_is_answered_in_json(stack, key):
    body = b"contract,tenure\nmonthly,25\nyearly,1\n"
    answer = stack.predict("churn", body, key, headers={"Content-Type": "text/csv; charset=UTF-8"})
    assert answer.json()["predictions"] == ["No", "Yes"]


def test_numbers_that_json_has_no_word_for_are_null(stack, key):
    stack.deploy("odd", VECTOR, odd)
    answer = stack.predict("odd", {"inputs": [[1, 2]] * 3}, key)
    assert answer.json() == {"predictions": [None, None, 1.5]}


def test_a_version_can_be_called_by_its_number(stack, key):
    answer = stack.predict("churn", EXAMPLE, key, path="/versions/1.1.0")
    assert answer.headers["x-model-version"] == "1.1.0"
    assert stack.predict("churn", EXAMPLE, key, path="/versions/9.9.9").status_code == 404


def test_a_request_id_is_taken_over_or_made_and_never_two_are_the_same(stack, key):
    sent = stack.predict("total", {"inputs": [[1, 2]]}, key, headers={"X-Request-Id": "a.B-1_2"})
    assert sent.headers["x-request-id"] == "a.B-1_2"
    bad = ["", "x" * 65, "a b", "é".encode(), "a;b"]
    made = [
        stack.predict("total", {"inputs": [[1]]}, key, headers={"X-Request-Id": value})
        for value in bad
    ]
    ids = [answer.headers["x-request-id"] for answer in made]
    assert len(set(ids)) == len(bad)
    assert all(re.fullmatch("[0-9a-f]{20}", one) for one in ids)
    assert made[0].json()["instance"] == ids[0]


# --- keys and limits ------------------------------------------------------------------------------


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer  {key}"},
        lambda key: {"X-API-Key": key},
        lambda key: {"Authorization": _basic("anyone", key)},
        lambda key: {"Authorization": _basic(key, "")},
    ],
)
def test_a_key_may_be_sent_in_every_way_that_clients_know(stack, key, headers):
    answer = stack.client.post("/endpoints/total/invocations", json={"inputs": [[1, 2]]},
                               headers=headers(key))  # fmt: skip
    assert answer.json() == {"predictions": [3.0]}


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {},
        lambda key: {"Authorization": ""},
        lambda key: {"Authorization": "Bearer"},
        lambda key: {"Authorization": "Bearer x"},
        lambda key: {"Authorization": f"Bearer {key[:-1]}{'a' if key[-1] != 'a' else 'b'}"},
        lambda key: {"Authorization": f"Bearer {key} {key}"},
        lambda key: {"Authorization": f"Bearer {'x' * 20_000}"},
        lambda key: {"Authorization": "Basic !!!"},
        lambda key: {"Authorization": _basic("", "")},
        lambda key: {"X-API-Key": key.lower()},
    ],
)
@pytest.mark.parametrize("path", ["/endpoints/total", "/endpoints/no-such-one"])
def test_without_a_valid_key_every_endpoint_is_a_401(stack, key, headers, path):
    answer = stack.client.post(f"{path}/invocations", json={"inputs": [[1, 2]]},
                               headers=headers(key))  # fmt: skip
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("#unauthorized")
    schemes = answer.headers.get_list("www-authenticate")
    assert [scheme.partition(" ")[0] for scheme in schemes] == ["Bearer", "Basic"]
    assert key not in answer.text


def test_a_key_without_the_right_gets_403_whether_or_not_there_is_such_an_endpoint(stack):
    other = stack.key("elsewhere")
    details = set()
    for name in ("total", "no-such-one"):
        answer = stack.predict(name, {"inputs": [[1, 2]]}, other)
        assert answer.status_code == 403
        details.add(answer.json()["detail"].replace(name, "NAME"))
    assert len(details) == 1


def test_a_key_with_the_right_to_what_is_not_deployed_gets_404(stack, key):
    assert stack.predict("gone", {"inputs": [[1, 2]]}, key).status_code == 404
    assert stack.client.get("/elsewhere").status_code == 404


def test_an_expired_key_is_refused(stack):
    text = stack.key("total", expires_at=time.time() + 3600)
    assert stack.predict("total", {"inputs": [[1, 2]]}, text).status_code == 200
    late = stack.key("total", expires_at=time.time() - 1)
    assert stack.predict("total", {"inputs": [[1, 2]]}, late).status_code == 401


def test_a_revoked_key_is_refused_on_a_kept_alive_connection(stack):
    text = stack.key("total")
    with httpx.Client(base_url=stack.url, headers={"X-API-Key": text}) as client:
        body = {"inputs": [[1, 2]]}
        assert client.post("/endpoints/total/invocations", json=body).status_code == 200
        stack.publish(keys=stack.snapshot.keys[:-1])
        assert client.post("/endpoints/total/invocations", json=body).status_code == 401


def test_the_old_secret_of_a_rotated_key_is_good_until_its_time(stack):
    old = stack.key("total")
    stored = stack.snapshot.keys[-1]
    others = stack.snapshot.keys[:-1]
    for until, status in ((time.time() + 60, 200), (time.time() - 1, 401)):
        changed = replace(stored, digest="0" * 64, previous_digest=stored.digest,
                          previous_until=until)  # fmt: skip
        stack.publish(keys=(*others, changed))
        assert stack.predict("total", {"inputs": [[1, 2]]}, old).status_code == status


def test_a_key_with_a_rate_is_told_where_it_stands_and_refused_when_over(stack):
    text = stack.key("total", rate="3/hour")
    body = {"inputs": [[1, 2]]}
    answers = [stack.predict("total", body, text) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers[:3]] == [
        '"default";r=2;t=1200', '"default";r=1;t=2400', '"default";r=0;t=3600',
    ]  # fmt: skip
    last = answers[3]
    assert last.headers["ratelimit-policy"] == '"default";q=3;w=3600'
    assert last.headers["ratelimit"] == f'"default";r=0;t={last.headers["retry-after"]}'
    assert 1100 < int(last.headers["retry-after"]) <= 1200
    assert last.json()["type"].endswith("#over-limit")


def test_a_bucket_survives_a_change_of_routes_and_is_the_same_on_every_path(stack):
    text = stack.key("total", rate="2/hour")
    assert (
        stack.predict("total", {"inputs": [[1]]}, text).headers["ratelimit"][:13] == '"default";r=1'
    )
    stack.publish()
    assert stack.client.get("/v2/models/total", headers={"X-API-Key": text}).status_code == 200
    assert stack.client.get("/metrics", headers={"X-API-Key": text}).status_code == 429


# --- bodies ---------------------------------------------------------------------------------------


def test_a_bad_value_is_a_400_that_says_where(stack, key):
    body = {"dataframe_split": EXAMPLE["dataframe_split"] | {"data": [["3", 1, "SECRET"]]}}
    answer = stack.predict("churn", body, key)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-model-version"] == "1.0.0"
    (entry,) = answer.json()["errors"]
    assert entry == {
        "pointer": "/dataframe_split/data/0/0", "column": "tenure", "row": 0,
        "expected": "integer", "got": "string",
        "message": "row 0, column 'tenure': expected integer, got string",
    }  # fmt: skip
    assert "SECRET" not in answer.text


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON;charset=utf-8", 200),
        ("application/json; charset=latin-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/octet-stream", 415),
        ("", 415),
        ("\x01json", 400),
    ],
)
def test_the_content_type_must_be_one_that_is_read(stack, key, content_type, status):
    headers = {"Content-Type": content_type}
    answer = stack.predict("total", {"inputs": [[1, 2]]}, key, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused(stack, key, encoding):
    headers = {"Content-Encoding": encoding}
    assert stack.predict("total", {"inputs": [[1, 2]]}, key, headers=headers).status_code == 415


def test_a_body_over_the_endpoints_limit_is_refused_before_it_is_read(stack, key):
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(
            f"POST /endpoints/churn/invocations HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 10001\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        head = connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head


def test_a_body_over_the_limit_is_refused_when_its_length_is_not_said(stack, key):
    pieces = (b" " * 1000 for _ in range(11))
    answer = stack.client.post(
        "/endpoints/churn/invocations", content=pieces,
        headers={"Content-Type": "application/json", "X-API-Key": key},
    )  # fmt: skip
    assert answer.status_code == 413


def test_a_body_in_pieces_is_put_together(stack, key):
    pieces = iter([b'{"inputs":', b"[[1,", b"2]]}"])
    answer = stack.client.post(
        "/endpoints/total/invocations", content=pieces,
        headers={"Content-Type": "application/json", "X-API-Key": key},
    )  # fmt: skip
    assert answer.json() == {"predictions": [3.0]}


def test_an_unread_body_of_a_refused_request_does_not_disturb_the_next_one(stack, key):
    with httpx.Client(base_url=stack.url) as client:
        for _ in range(3):
            assert (
                client.post("/endpoints/total/invocations", content=b"x" * 300_000).status_code
                == 401
            )
            good = client.post("/endpoints/total/invocations", json={"inputs": [[1, 2]]},
                               headers={"X-API-Key": key})  # fmt: skip
            assert good.status_code == 200


def test_answers_on_one_connection_come_whole_in_order_and_with_the_right_body(stack, key):
    """Pipelined, with and without a body, asked for with 100-continue, and closed at the end."""
    post = (f"POST /endpoints/total/invocations HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 18\r\n")  # fmt: skip
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(
            f"HEAD /v2 HTTP/1.1\r\nHost: x\r\n\r\nOPTIONS /v2 HTTP/1.1\r\nHost: x\r\n\r\n{post}\r\n"
            f'{{"inputs":[[1,2]]}}{post}Expect: 100-continue\r\nConnection: close\r\n\r\n'.encode()
        )
        received = b""
        while b"100 Continue" not in received:
            received += connection.recv(65536)
        connection.sendall(b'{"inputs":[[3,4]]}')
        while data := connection.recv(65536):
            received += data
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", received)
    assert statuses == [b"200", b"204", b"200", b"100", b"200"]
    assert re.findall(rb'\{"predictions":\[(.*?)\]\}', received) == [b"3.0", b"7.0"]


def test_other_methods_are_told_which_one_is_right(stack, key):
    for method in ("GET", "HEAD", "PUT", "OPTIONS", "BREW"):
        answer = stack.client.request(method, "/endpoints/total/invocations",
                                      headers={"X-API-Key": key})  # fmt: skip
        if method == "BREW":
            assert answer.status_code == 400  # no method at all
        else:
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert stack.client.options("/v2").headers["allow"] == "GET, HEAD, OPTIONS"
    assert stack.client.head("/v2").content == b""
    assert stack.client.post("/v2").status_code == 405


# --- a model that fails ---------------------------------------------------------------------------


def test_a_model_that_raises_is_a_500_that_tells_nothing_and_the_owner_finds_the_trace(stack, key):
    answer = stack.predict("total", {"inputs": [[-1, 0]]}, key)
    assert answer.status_code == 500
    assert answer.json()["type"].endswith("#model-failed")
    assert "SECRET" not in answer.text
    assert "passwd" not in answer.text
    file = Path(stack.folder / "errors" / "total.jsonl")
    kept = [json.loads(line) for line in file.read_text().splitlines()]
    (failure,) = [one for one in kept if one["request_id"] == answer.headers["x-request-id"]]
    assert "ValueError: SECRET of /etc/passwd" in failure["trace"]
    assert failure["message"] == "ValueError: SECRET of /etc/passwd"
    assert (failure["consumer"], failure["code"]) == ("tester", "model-failed")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


# --- pages ----------------------------------------------------------------------------------------


def test_ping_and_version_answer_without_a_key_where_there_is_an_endpoint(stack):
    for root in ("/endpoints/churn", "/endpoints/churn/versions/1.1.0"):
        assert stack.client.get(f"{root}/ping").text == "\n"
        assert stack.client.get(f"{root}/version").text == "3.17.0"
    for root in ("/endpoints/no-such-one", "/endpoints/churn/versions/9.0.0"):
        assert stack.client.get(f"{root}/ping").status_code == 401


def test_the_openapi_document_is_valid_and_its_example_works(stack, key):
    assert stack.client.get("/endpoints/churn/openapi.json").status_code == 401
    document = stack.client.get("/endpoints/churn/openapi.json", auth=("", key)).json()
    OpenAPIV31SpecValidator(document).validate()
    ((path, operation),) = [item for item in document["paths"].items() if "post" in item[1]]
    example = operation["post"]["requestBody"]["content"]["application/json"]["example"]
    answer = stack.client.post(document["servers"][0]["url"] + path, json=example,
                               headers={"X-API-Key": key})  # fmt: skip
    assert answer.status_code == 200
    schema = document["components"]["schemas"]
    assert _valid(schema["Request"], example)
    assert _valid(schema["Answer"], answer.json())
    assert not _valid(schema["Request"], {"dataframe_records": [{"tenure": 1.5}]})


def _valid(schema: dict, value: object) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema).is_valid(value)


def test_a_version_without_a_sample_has_a_valid_document_with_an_example_that_works(stack, key):
    for path in ("/endpoints/total", "/endpoints/churn/versions/1.1.0"):
        document = stack.client.get(f"{path}/openapi.json", auth=("", key)).json()
        OpenAPIV31SpecValidator(document).validate()
        operation = document["paths"][f"{path}/invocations"]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answer = stack.client.post(f"{path}/invocations", json=example, auth=("", key))
        assert len(answer.json()["predictions"]) == 1


def test_the_page_for_people_runs_nothing_and_escapes_what_it_shows(stack, key):
    strange = Contract(Form.FRAME, (Column("<script>x</script>", Type.STRING, "str"),))
    stack.publish(endpoints=stack.snapshot.endpoints)
    route = replace(stack.snapshot.endpoints[0].versions[0], contract=strange, replicas=(),
                    example=json.dumps({"inputs": {"<script>x</script>": ["'"]}}))  # fmt: skip
    endpoints = (*stack.snapshot.endpoints,
                 replace(stack.snapshot.endpoints[0], name="gone", versions=(route,)))  # fmt: skip
    before = stack.snapshot.endpoints
    stack.publish(endpoints=endpoints)
    try:
        answer = stack.client.get("/endpoints/gone/docs", auth=(key, ""))
        assert stack.client.get("/endpoints/gone/docs").status_code == 401
    finally:
        stack.publish(endpoints=before)
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_metrics_are_those_of_the_keys_endpoints(stack, key):
    stack.predict("total", {"inputs": [[1, 2]]}, key)
    stack.predict("churn", EXAMPLE, key)
    assert stack.client.get("/metrics").status_code == 401
    only_total = stack.key("total", consumer="scraper")
    text = stack.client.get("/metrics", headers={"X-API-Key": only_total}).text
    assert 'endpoint="total"' in text
    assert 'endpoint="churn"' not in text
    assert re.search(
        r'jupyter_deploy_requests_total\{consumer="tester",endpoint="total",status="200"', text
    )
    assert "jupyter_deploy_gateway_process_resident_memory_bytes" in text
    key_ids = [stored.key_id for stored in stack.snapshot.keys]
    assert not any(key_id in text for key_id in key_ids)


def test_the_admin_socket_tells_the_figures_of_each_endpoint(stack, key):
    before = stack.admin.get("/stats").json()["endpoints"]["total"]
    stack.predict("total", {"inputs": [[1, 2], [3, 4]]}, key)
    stack.predict("total", {"inputs": "x"}, key)
    after = stack.admin.get("/stats").json()
    assert after["pid"] == stack.gateway.pid
    change = {name: after["endpoints"]["total"][name] - before[name]
              for name in ("requests", "rows", "waiting")}  # fmt: skip
    assert change == {"requests": 2, "rows": 2, "waiting": 0}
    assert 'endpoint="churn"' in stack.admin.get("/metrics").text


# --- the process ----------------------------------------------------------------------------------


def test_the_admin_sockets_are_for_the_owner_alone(stack):
    for name in ("admin", "admin.fd"):
        assert stat.S_IMODE((stack.folder / name).stat().st_mode) == 0o600


def test_the_listening_socket_is_lent_to_whoever_connects(stack, key):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(stack.folder / "admin.fd"))
        _, (descriptor,), _, _ = socket.recv_fds(connection, 1024, 1)
    with socket.socket(fileno=descriptor) as listener:
        assert listener.getsockname() == stack.listener.getsockname()


def test_a_broken_snapshot_changes_nothing(stack, key):
    file = stack.folder / "snapshot.json"
    good = file.read_bytes()
    try:
        for bad in (b"", b"{}", good[:-20], b'{"sequence":"x"}'):
            file.write_bytes(bad)
            assert stack.admin.post("/reload").json() == {"sequence": stack.snapshot.sequence}
            assert stack.predict("total", {"inputs": [[1, 2]]}, key).status_code == 200
    finally:
        file.write_bytes(good)


def test_a_supervisor_that_counts_from_the_start_again_is_followed(stack, key):
    before = stack.snapshot
    try:
        stack.snapshot = replace(before, sequence=0)
        stack.publish(keys=())
        assert stack.predict("total", {"inputs": [[1, 2]]}, key).status_code == 401
    finally:
        stack.snapshot = before
        stack.publish()


def test_no_line_of_the_log_holds_a_key_or_what_a_caller_sent(stack, key):
    stack.client.post("/endpoints/total/invocations\r\nINJECTED: x".replace("\r\n", "%0d%0a"),
                      content=b"SECRET-BODY", headers={"X-API-Key": key})  # fmt: skip
    stack.predict("total", b"SECRET-BODY", key, headers={"X-Request-Id": "SECRET-ID x"})
    for secret in (key, "SECRET", "INJECTED"):
        assert secret not in stack.log


class Slow:
    """Says by a file that it has begun, and goes on when there is another."""

    def __init__(self, begun: str, go_on: str) -> None:
        self.begun = begun
        self.go_on = go_on

    def predict(self, x):
        import pathlib
        import threading

        pathlib.Path(self.begun).touch()
        while not pathlib.Path(self.go_on).exists():
            threading.Event().wait(0.01)
        return x.sum(axis=1)


def test_a_stopping_gateway_finishes_what_it_has_and_the_next_one_takes_over():
    stack = Stack()
    try:
        begun, go_on = stack.folder / "begun", stack.folder / "go-on"
        stack.deploy("slow", VECTOR, Slow(str(begun), str(go_on)))
        key = stack.key("slow")
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(stack.predict, "slow", {"inputs": [[1, 2]]}, key)
            wait_until(begun.exists)
            stack.gateway.send_signal(signal.SIGTERM)
            wait_until(lambda: "gateway drains" in stack.log)
            go_on.touch()
            assert call.result(20).json() == {"predictions": [3.0]}
        assert stack.gateway.wait(10) == 0
        assert not (stack.folder / "admin").exists()
        stack.start_gateway()
        stack.wait_ready("slow", "1.0.0")
        assert stack.predict("slow", {"inputs": [[1, 2]]}, key).status_code == 200
    finally:
        stack.close()
