"""Requests, and replicas that come and go: who gets which answer, and who gets none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.gateways import Stack
from tests.process.served import VECTOR
from tests.process.steady import Load, Marked, problem
from tests.support import wait_until


class Gated:
    """Answers once the file `gate` exists; writes down the size of each call when it comes."""

    def __init__(self, gate: Path) -> None:
        self.gate = str(gate)

    def predict(self, x):
        import os
        import time

        log = os.open(f"{self.gate}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, f"{len(x)} {x[0, 0]}\n".encode())
        os.close(log)
        while not os.path.exists(self.gate):
            time.sleep(0.01)
        return x[:, 0]


class Cold:
    """Its first call takes long."""

    def __init__(self) -> None:
        self.warm = False

    def predict(self, x):
        import time

        if not self.warm:
            time.sleep(2.0)
        self.warm = True
        return x[:, 0]


def calls(path: Path) -> list[int]:
    """The number of rows of each call."""
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("slow", "two", "single", "poison", "absent", "flaky", "crowded",
                     "gated", "lasting", "rowwise", "innocent", "lost", "fresh",
                     "cold")  # fmt: skip


def together(stack: Stack, name: str, key: str, values: list[float]) -> list[httpx.Response]:
    """One request for each of `values`, at the same time; answers in their order."""

    async def send() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=stack.url, timeout=60, limits=limits) as client:
            requests = [
                client.post(f"/endpoints/{name}/invocations", json={"inputs": [[value, 0]]},
                            headers={"X-API-Key": key})
                for value in values
            ]  # fmt: skip
            return await asyncio.gather(*requests)

    return asyncio.run(send())


# --- batches --------------------------------------------------------------------------------------


def test_requests_that_wait_go_together_and_each_caller_gets_its_own_answer(stack, key):
    log = stack.folder / "slow.calls"
    stack.deploy("slow", VECTOR, Marked(log, seconds=0.3))
    values = [float(number) for number in range(1, 41)]
    answers = together(stack, "slow", key, values)
    assert [answer.json()["predictions"] for answer in answers] == [[value] for value in values]
    sizes = calls(log)
    assert sum(sizes) == 40
    assert len(sizes) <= 5


def test_a_version_that_may_not_be_batched_gets_one_request_at_a_time(stack, key):
    log = stack.folder / "single.calls"
    stack.deploy("single", VECTOR, Marked(log), batchable=False)
    answers = together(stack, "single", key, [float(number) for number in range(1, 21)])
    assert all(answer.status_code == 200 for answer in answers)
    assert calls(log) == [1] * 20


def test_a_bad_row_fails_its_own_request_and_no_other(stack, key):
    values = [1.0, 2.0, -1.0, 3.0, -3.0, 4.0]
    answers = together(stack, "slow", key, values)
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200, 200, 200]
    assert [answer.json().get("predictions") for answer in answers] == [
        [1.0], [2.0], None, [3.0], "one value for all", [4.0],
    ]  # fmt: skip


def test_a_request_with_params_is_a_call_of_its_own(stack, key):
    log = stack.folder / "slow.calls"
    before = len(calls(log))
    with ThreadPoolExecutor(4) as pool:
        bodies = [{"inputs": [[n, 0]], "params": {"n": n}} for n in range(1, 5)]
        answers = list(pool.map(lambda body: stack.predict("slow", body, key), bodies))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert calls(log)[before:] == [1] * 4


def test_the_load_is_shared_among_replicas(stack, key):
    gate = stack.folder / "two.gate"
    stack.deploy("two", VECTOR, Gated(gate), replicas=2)
    wait_until(lambda: 'jupyter_deploy_replicas{endpoint="two",version="1.0.0"} 2.0'
               in stack.admin.get("/metrics").text)  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        both = pool.submit(together, stack, "two", key, [1.0, 2.0])
        # One replica alone would not have the second before it has answered the first.
        wait_until(lambda: calls(Path(f"{gate}.calls")) == [1, 1], 30)
        gate.touch()
        assert [answer.status_code for answer in both.result(30)] == [200, 200]


# --- replicas that die ----------------------------------------------------------------------------


def test_a_replica_killed_under_load_costs_no_request(stack, key):
    first, second = stack.deploy(
        "flaky", VECTOR, Marked(stack.folder / "flaky.calls", seconds=0.005), replicas=2
    )
    with Load(stack, "flaky", key) as load:
        for replica in (first, second, first):
            replica.kill()
            load.wait_for_more()
            replica.start()
            replica.wait()
            load.wait_for_more()
    assert load.statuses.keys() == {200}
    assert load.wrong == []


def test_requests_wait_for_a_replica_that_is_coming_back(stack, key):
    replica = stack.replicas[-1]
    stack.change("flaky", "1.0.0", replicas=(replica.route,))
    replica.kill()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stack.predict, "flaky", {"inputs": [[1, 0]]}, key)
        wait_until(lambda: stack.admin.get("/stats").json()["endpoints"]["flaky"]["waiting"] == 1)
        assert stack.client.get("/endpoints/flaky/ping").status_code == 503
        replica.start()
        assert call.result(60).json() == {"predictions": [1.0]}


def test_a_request_that_kills_two_replicas_is_refused_from_then_on(stack, key):
    log = stack.folder / "poison.calls"
    (replica,) = stack.deploy("poison", VECTOR, Marked(log, seconds=0.1))
    body = {"inputs": [[-2, 0]]}
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stack.predict, "poison", body, key)
        for _ in range(2):
            replica.process.wait(30)
            replica.start()
            replica.wait()
        answer = call.result(30)
    assert problem(answer) == (500, "poisonous-request")
    assert len(calls(log)) == 2
    stack.wait_ready("poison", "1.0.0")
    again = stack.predict("poison", body, key)
    assert again.json()["type"].endswith("#poisonous-request")
    assert len(calls(log)) == 2
    assert stack.predict("poison", {"inputs": [[1, 0]]}, key).status_code == 200
    kept = (stack.folder / "errors" / "poison.jsonl").read_text().splitlines()
    assert [json.loads(line)["code"] for line in kept] == ["poisonous-request"]


def test_a_poisonous_request_in_a_batch_takes_nobody_with_it(stack, key):
    replica = stack.replicas[-1]
    values = [1.0, 2.0, -2.0, 3.0]
    with ThreadPoolExecutor(1) as pool:
        # The first call keeps the replica busy, so that the others become one batch.
        call = pool.submit(together, stack, "poison", key, [9.0, 8.5, *values, -2.5])
        deaths = 0
        while not call.done() and deaths < 4:
            wait_until(lambda: call.done() or replica.process.poll() is not None, 30)
            if not call.done():
                deaths += 1
                replica.start()
                replica.wait()
        answers = call.result(30)
    by_value = dict(zip([9.0, 8.5, *values, -2.5], answers, strict=True))
    assert by_value[-2.0].status_code == 500
    assert all(by_value[v].json() == {"predictions": [v]} for v in (9.0, 8.5, 1.0, 2.0, 3.0, -2.5))


def test_a_request_that_a_dead_replica_has_never_begun_is_not_taken_for_the_cause(stack, key):
    gate = stack.folder / "innocent.gate"
    first, second = stack.deploy("innocent", VECTOR, Gated(gate), replicas=2)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stack.predict, "innocent", {"inputs": [[5, 0]]}, key)
        had = wait_until(lambda: asked(stack) & {first.name, second.name})
        one, other = (first, second) if first.name in had else (second, first)
        wait_until(lambda: calls(Path(f"{gate}.calls")) == [1])
        os.kill(other.process.pid, signal.SIGSTOP)
        one.kill()
        # As good as dead: it takes the request, and never looks at it.
        wait_until(lambda: other.name in asked(stack))
        other.kill()
        gate.touch()
        one.start()
        assert call.result(30).json() == {"predictions": [5.0]}


def test_a_request_whose_replica_died_may_be_sent_again_when_no_other_has_come(stack, key):
    gate = stack.folder / "lost.gate"
    (replica,) = stack.deploy("lost", VECTOR, Gated(gate), timeout_seconds=1.0)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(stack.predict, "lost", {"inputs": [[1, 0]]}, key)
        wait_until(lambda: calls(Path(f"{gate}.calls")) == [1])
        replica.kill()
        assert problem(call.result(30)) == (503, "no-replica")


def asked(stack: Stack) -> set[str]:
    """The replicas that have a request and have not answered it."""
    return set(stack.admin.get("/load").json()["asked"])


# --- deadlines and bounds -------------------------------------------------------------------------


def test_a_model_that_is_too_slow_is_a_504_at_the_deadline(stack, key):
    stack.deploy("absent", VECTOR, Marked(stack.folder / "absent.calls", seconds=1.5),
                 timeout_seconds=0.4)  # fmt: skip
    began = time.monotonic()
    answer = stack.predict("absent", {"inputs": [[1, 0]]}, key)
    assert problem(answer) == (504, "deadline-exceeded")
    assert 0.35 < time.monotonic() - began < 1.2


def test_without_a_replica_a_request_waits_until_its_deadline_and_gets_503(stack, key):
    stack.replicas[-1].kill()
    wait_until(lambda: stack.client.get("/endpoints/absent/ping").status_code == 503)
    began = time.monotonic()
    answer = stack.predict("absent", {"inputs": [[1, 0]]}, key)
    assert problem(answer) == (503, "no-replica")
    assert answer.headers["retry-after"] == "2"
    assert 0.35 < time.monotonic() - began < 1.2


def test_what_cannot_be_served_in_time_is_refused_at_once_and_the_rest_is_served(stack, key):
    timeout = 8.0
    crowded = Marked(stack.folder / "crowded.calls", seconds=0.4)
    stack.deploy("crowded", VECTOR, crowded, batchable=False, timeout_seconds=timeout)
    for _ in range(4):
        assert stack.predict("crowded", {"inputs": [[1, 0]]}, key).status_code == 200
    answers = together(stack, "crowded", key, [float(number) for number in range(1, 61)])
    by_status = Counter(answer.status_code for answer in answers)
    assert by_status.keys() == {200, 503}
    assert by_status[200] >= 8
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert problem(answer) == (503, "overloaded")
            assert answer.elapsed.total_seconds() < timeout / 2
    assert stack.predict("crowded", {"inputs": [[1, 0]]}, key).status_code == 200


def test_what_no_replica_had_at_its_deadline_may_be_sent_again(stack, key):
    gate = stack.folder / "gate"
    stack.deploy("gated", VECTOR, Gated(gate), batchable=False, timeout_seconds=1.0)
    first, second = together(stack, "gated", key, [1.0, 2.0])
    gate.touch()
    codes = {problem(answer) for answer in (first, second)}
    assert codes == {(504, "deadline-exceeded"), (503, "overloaded")}


def test_a_queue_that_stands_refuses_long_before_the_deadline_would_pass(stack, key):
    slow = Marked(stack.folder / "lasting.calls", seconds=0.05)
    stack.deploy("lasting", VECTOR, slow, batchable=False)
    # 90 callers wait 4.5 s for each other: far less than the deadline, and for ever.
    with Load(stack, "lasting", key, callers=90) as load:
        wait_until(lambda: load.statuses[503] >= 50 or load.failed(), 60)
        load.wait_for_more(60)
    assert load.statuses.keys() == {200, 503}


def test_a_queue_that_grows_does_not_make_frames_longer_and_longer(stack, key):
    log = stack.folder / "rowwise.calls"
    stack.deploy("rowwise", VECTOR, Marked(log, each=0.01))
    # All that wait would be a frame of 0.6 s, or of any length where callers do not wait.
    with Load(stack, "rowwise", key, callers=60) as load:
        load.wait_for_more(300)
    assert load.statuses.keys() == {200}
    assert max(calls(log)[-10:-1]) < 30


def test_a_burst_that_is_a_version_s_first_work_is_no_frame_that_nobody_can_wait_for(stack, key):
    log = stack.folder / "fresh.calls"
    stack.deploy("fresh", VECTOR, Marked(log, each=0.05), timeout_seconds=3.0)
    answers = together(stack, "fresh", key, [float(number) for number in range(1, 101)])
    by_status = Counter(answer.status_code for answer in answers)
    # Five seconds of work.  Who was with the model at the deadline is told so, all others may ask
    # again.
    assert by_status[200] > 20
    assert by_status[504] < 10
    assert by_status[200] + by_status[503] + by_status[504] == 100


def test_a_first_call_that_is_slow_refuses_nobody_of_the_burst_behind_it(stack, key):
    stack.deploy("cold", VECTOR, Cold())
    answers = together(stack, "cold", key, [float(number) for number in range(1, 301)])
    assert Counter(answer.status_code for answer in answers) == {200: 300}
