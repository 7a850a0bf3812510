"""The gateway as callers meet it: a real process, real replicas, plain HTTP."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.gateways import Stack
from tests.process.served import EXAMPLE, VECTOR, odd
from tests.support import wait_until

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


def test_who_is_refused_before_the_body_was_asked_for_is_not_read_on(stack):
    with socket.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(
            b"POST /endpoints/churn/invocations HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        head = connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 401 ")
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


# --- the process ----------------------------------------------------------------------------------


def test_a_heartbeat_asks_for_nothing_but_an_answer(stack):
    answer = stack.admin.head("/")
    assert (answer.status_code, answer.content) == (204, b"")


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
    with Stack() as stack:
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
