"""Two gateways on one port, without a supervisor: what callers get is as exact as from one."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.gateways import Stack
from tests.process.callers import send
from tests.process.served import VECTOR, total
from tests.support import wait_until

CONNECTIONS = 64


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(processes=2) as stack:
        stack.deploy("total", VECTOR, total, replicas=2)
        yield stack


def shown(stack: Stack, key: str, consumer: str) -> int:
    """The requests of a consumer, as `/metrics` shows them; every gateway shows the same."""
    wanted = re.compile(
        rf'jupyter_deploy_requests_total{{consumer="{consumer}",endpoint="total",.*}} (.*)'
    )
    sums = {}
    while len(sums) < len(stack.gateways):
        answer = httpx.get(f"{stack.url}/metrics", headers={"X-API-Key": key}, timeout=30)
        gateway = answer.headers["x-request-id"][:12]
        sums[gateway] = sum(float(number) for number in wanted.findall(answer.text))
    assert len(set(sums.values())) == 1, f"{sums}, and this is their log:\n{stack.log[-2000:]}"
    return int(sums[gateway])


def test_callers_are_answered_by_both_and_each_gets_the_own_answer(stack):
    answers = send(stack, stack.key("total"), 2_000)
    assert answers.statuses == {200: 2_000}
    assert len(answers.gateways) == 2
    assert min(answers.gateways.values()) > 100


def test_a_limit_lets_in_exactly_what_it_says(stack):
    answers = send(stack, stack.key("total", rate="100/day"), 1_000)
    assert answers.statuses == {200: 100, 429: 900}
    assert len(answers.gateways) == 2


def test_a_limit_is_kept_when_a_gateway_is_killed(stack):
    key = stack.key("total", rate="100/day")
    assert send(stack, key, 60).statuses == {200: 60}
    restart(stack, 1)
    assert send(stack, key, 100).statuses == {200: 40, 429: 60}


def restart(stack: Stack, number: int) -> None:
    stack.gateways[number].send_signal(signal.SIGKILL)
    stack.gateways[number].wait(10)
    stack.start_gateway(number)


def test_metrics_are_the_sum_of_both_and_never_go_back(stack):
    key = stack.key("total", consumer="counted")
    send(stack, key, 500)
    assert shown(stack, key, "counted") == 500
    restart(stack, 0)
    assert shown(stack, key, "counted") == 500
    send(stack, key, 250)
    # What a gateway has counted in a second that is over needs nobody who asked for it.
    files = [stack.folder / "shared" / f"{name}.counts" for name in ("admin", "admin-1")]
    before = [file.stat().st_mtime_ns for file in files]
    send(stack, key, 250)
    wait_until(lambda: all(f.stat().st_mtime_ns > b for f, b in zip(files, before, strict=True)))
    stack.gateways[1].send_signal(signal.SIGKILL)
    stack.gateways[1].wait(10)
    assert stack.admin.get("/stats").is_success
    stack.start_gateway(1)
    assert shown(stack, key, "counted") <= 1_000
    send(stack, key, 10)
    assert shown(stack, key, "counted") > 500


def test_each_process_is_shown_in_the_metrics_by_its_pid(stack):
    key = stack.key("total")
    text = httpx.get(f"{stack.url}/metrics", headers={"X-API-Key": key}).text
    found = re.findall(r'jupyter_deploy_gateway_process_open_fds{pid="(\d+)"}', text)
    assert {int(pid) for pid in found} == {one.pid for one in stack.gateways}


def test_a_key_that_is_revoked_opens_neither_when_the_call_returns(stack):
    key = stack.key("total", consumer="fired")

    async def revoked_between() -> Counter[int]:
        statuses: Counter[int] = Counter()
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:

            async def ask() -> None:
                answer = await client.post(
                    "/endpoints/total/invocations",
                    json={"inputs": [[1, 1]]}, headers={"X-API-Key": key},
                )  # fmt: skip
                statuses[answer.status_code] += 1

            await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
            assert statuses.pop(200) == CONNECTIONS
            left = [one for one in stack.snapshot.keys if one.consumer != "fired"]
            stack.publish(keys=tuple(left))
            await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
        return statuses

    assert asyncio.run(revoked_between()) == {401: CONNECTIONS}
