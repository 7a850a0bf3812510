"""Large requests beside small ones, and callers that go: nobody waits for somebody else's work."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateways import Stack
from tests.process.served import VECTOR
from tests.support import wait_until

ROWS = 100_000
OPEN_BYTES = 3_000_000


class Slow:
    """Sums rows, as slowly as `seconds_per_row` says; writes down the size of each call."""

    def __init__(self, calls: Path, seconds: float = 0.0, seconds_per_row: float = 0.0) -> None:
        self.calls, self.seconds, self.seconds_per_row = str(calls), seconds, seconds_per_row

    def predict(self, x):
        import time

        with open(self.calls, "a") as log:
            log.write(f"{len(x)}\n")
        time.sleep(self.seconds + self.seconds_per_row * len(x))
        if (x[:, 0] == -1).any():
            return {"rows": len(x)}
        if (x[:, 0] == -2).any():
            raise ValueError("a bad row")
        return x[:, 0] * 3 + x[:, 1]


def calls(path: Path) -> list[int]:
    """The number of rows of each call."""
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(open_bytes=OPEN_BYTES) as stack:
        folder = stack.folder
        stack.deploy("shared", VECTOR, Slow(folder / "shared", seconds_per_row=2e-5))
        stack.deploy("other", VECTOR, Slow(folder / "other"))
        stack.deploy("whole", VECTOR, Slow(folder / "whole"), batchable=False)
        stack.deploy("busy", VECTOR, Slow(folder / "busy", seconds=1.0))
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("shared", "other", "whole", "busy")


def large(count: int = ROWS) -> tuple[list[list[float]], bytes]:
    """Rows, all of them different, and a body of them."""
    rows = [[number * 0.5, -number] for number in range(count)]
    return rows, json.dumps({"inputs": rows}).encode()


def sums(rows: list[list[float]]) -> list[float]:
    return [first * 3 + second for first, second in rows]


def test_a_large_request_goes_in_pieces_and_small_ones_are_answered_in_between(stack, key):
    rows, body = large()
    times: dict[str, list[float]] = {"shared": [], "other": []}
    wrong: list[str] = []
    finished = threading.Event()

    def small(name: str, number: float) -> None:
        with httpx.Client(base_url=stack.url, timeout=40, headers={"X-API-Key": key}) as client:
            while not finished.is_set():
                number += 1
                began = time.monotonic()
                answer = client.post(f"/endpoints/{name}/invocations",
                                     json={"inputs": [[number, 1]]})  # fmt: skip
                times[name].append(time.monotonic() - began)
                if answer.json() != {"predictions": [number * 3 + 1]}:
                    wrong.append(answer.text)

    with ThreadPoolExecutor(2) as pool:
        callers = [pool.submit(small, name, 1000.0) for name in times]
        wait_until(lambda: all(times.values()))
        before = {name: len(values) for name, values in times.items()}
        began = time.monotonic()
        answer = stack.predict("shared", body, key)
        seconds = time.monotonic() - began
        finished.set()
        for caller in callers:
            caller.result(60)
    assert answer.json() == {"predictions": sums(rows)}
    assert wrong == []
    assert max(calls(stack.folder / "shared")) == 4096
    for name, values in times.items():
        meanwhile = values[before[name] :]
        assert len(meanwhile) > 5
        assert max(meanwhile) < seconds / 3, name


def test_a_connection_that_stays_open_keeps_nothing_of_a_large_request(stack, key):
    _, body = large()
    gateway = psutil.Process(stack.gateway.pid)
    with contextlib.ExitStack() as open_connections:
        for turn in range(14):
            headers = {"X-API-Key": key, "Content-Type": "application/json"}
            client = httpx.Client(base_url=stack.url, timeout=60, headers=headers)
            open_connections.enter_context(client)
            assert client.post("/endpoints/other/invocations", content=body).status_code == 200
            if turn == 3:
                before = gateway.memory_info().rss
        # Body and rows are 20 MB.
        assert gateway.memory_info().rss - before < 100e6


def test_a_version_that_may_not_be_batched_gets_a_large_request_whole(stack, key):
    rows, body = large(9000)
    assert stack.predict("whole", body, key).json() == {"predictions": sums(rows)}
    assert calls(stack.folder / "whole") == [9000]


def test_an_answer_that_is_not_row_by_row_is_asked_for_again_in_one_piece(stack, key):
    rows, _ = large(9000)
    rows[5000][0] = -1
    answer = stack.predict("other", {"inputs": rows}, key)
    assert answer.json() == {"predictions": {"rows": 9000}}


def test_a_large_request_fails_once_when_one_of_its_pieces_fails(stack, key):
    rows, _ = large(20_000)
    rows[4500][0] = rows[9000][0] = -2
    answer = stack.predict("other", {"inputs": rows}, key)
    assert answer.status_code == 500
    kept = (stack.folder / "errors" / "other.jsonl").read_text().splitlines()
    assert [json.loads(line)["request_id"] for line in kept] == [answer.headers["x-request-id"]]


def test_bodies_of_all_endpoints_together_have_a_bound_and_give_back_what_they_took(stack, key):
    body = b" " * (OPEN_BYTES * 2 // 3) + b'{"inputs": [[1, 2]]}'

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stack.predict, "busy", body, key)
        wait_until(lambda: calls(stack.folder / "busy"))
        refused = stack.predict("other", body, key)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert stack.predict("other", {"inputs": [[1, 2]]}, key).status_code == 200
        assert first.result(60).status_code == 200
    assert stack.predict("other", body, key).status_code == 200


def test_what_a_caller_that_has_gone_was_waiting_for_is_not_computed(stack, key):
    log = stack.folder / "busy"
    before = len(calls(log))

    def request(rows: list[list[int]]) -> bytes:
        body = json.dumps({"inputs": rows}).encode()
        return (
            f"POST /endpoints/busy/invocations HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def waiting() -> int:
        return stack.admin.get("/stats").json()["endpoints"]["busy"]["waiting"]

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(stack.predict, "busy", {"inputs": [[1, 1]]}, key)
        wait_until(lambda: len(calls(log)) == before + 1)
        leaving = [socket.create_connection(("127.0.0.1", stack.port), 5) for _ in range(5)]
        for connection in leaving:
            connection.sendall(request([[7, 7]] * 10_000))
        wait_until(lambda: waiting() > 0, every=0.005)
        for connection in leaving:
            connection.close()
        wait_until(lambda: waiting() == 0, every=0.005)
        assert first.result(10).status_code == 200
    assert stack.predict("busy", {"inputs": [[1, 1]]}, key).status_code == 200
    assert calls(log)[before:] == [1, 1]
    assert "Traceback" not in stack.log
