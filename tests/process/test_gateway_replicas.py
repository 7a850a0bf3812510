"""Two gateways that send to the same replicas: each knows what the other one keeps busy."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateways import Stack
from tests.process.callers import Caller, one_at_each
from tests.process.served import VECTOR
from tests.support import wait_until

SECONDS = 60.0


class Gated:
    """Answers, or for a row of -2 ends its process, once the file `gate` exists."""

    def __init__(self, gate: Path) -> None:
        self.gate = str(gate)

    def predict(self, x):
        import os
        import time

        log = os.open(f"{self.gate}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, f"{x[0, 0]}\n".encode())
        os.close(log)
        while not os.path.exists(self.gate):
            time.sleep(0.005)
        if x[0, 0] == -2:
            os._exit(1)
        return x[:, 0]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(processes=2) as stack:
        yield stack
        for gate in stack.folder.glob("*.calls"):
            gate.with_suffix("").touch()


def deployed(stack: Stack, name: str, **options) -> tuple[Path, str]:
    """The gate of a new endpoint, and a key."""
    gate = stack.folder / name
    stack.deploy(name, VECTOR, Gated(gate), **options)
    replicas = options.get("replicas", 1)
    for admin in stack.admins:
        wait_until(lambda one=admin: connected(one.get("/metrics").text, name) == replicas)
    return gate, stack.key(name)


def connected(metrics: str, name: str) -> int:
    wanted = f'jupyter_deploy_replicas{{endpoint="{name}"'
    lines = [line for line in metrics.splitlines() if line.startswith(wanted)]
    return int(float(lines[0].split()[-1])) if lines else 0


def calls(gate: Path) -> list[float]:
    """The first number of each call, in the order in which they began."""
    file = Path(f"{gate}.calls")
    return [float(line) for line in file.read_text().split()] if file.exists() else []


async def until(condition) -> None:
    """Wait in the loop, as the callers are in it."""
    await asyncio.to_thread(wait_until, condition, SECONDS)


def test_a_request_goes_to_the_replica_that_no_gateway_keeps_busy(stack):
    gate, key = deployed(stack, "two", replicas=2)

    async def run() -> list[str]:
        async with one_at_each(stack) as ((ours,), (theirs,)):
            first = asyncio.ensure_future(ours.predict("two", [1, 0], key))
            await until(lambda: calls(gate) == [1])
            second = asyncio.ensure_future(theirs.predict("two", [2, 0], key))
            # Behind the first one it would not begin before the gate opens.
            await until(lambda: calls(gate) == [1, 2])
            gate.touch()
            return [answer.body for answer in await asyncio.gather(first, second)]

    assert asyncio.run(run()) == ['{"predictions":[1.0]}', '{"predictions":[2.0]}']


def test_what_no_replica_has_begun_at_its_deadline_may_be_sent_again(stack):
    gate, key = deployed(stack, "late", timeout_seconds=1.0)

    async def run() -> list[tuple[int, str]]:
        async with one_at_each(stack) as ((ours,), (theirs,)):
            first = asyncio.ensure_future(ours.predict("late", [1, 0], key))
            await until(lambda: calls(gate) == [1])
            second = await theirs.predict("late", [2, 0], key)
            return [(one.status, one.code) for one in (await first, second)]

    try:
        assert asyncio.run(run()) == [(504, "deadline-exceeded"), (503, "overloaded")]
    finally:
        gate.touch()


def test_seconds_at_work_are_those_of_the_replica_and_not_of_all_that_wait_for_it(stack):
    gate, key = deployed(stack, "busy")

    def load() -> list[tuple[float, float]]:
        found = (admin.get("/load").json() for admin in stack.admins)
        return [
            (said["at"], next(one[3] for one in said["versions"] if one[0] == "busy"))
            for said in found
        ]

    async def run() -> float:
        async with one_at_each(stack) as ((ours,), (theirs,)):
            asked = [asyncio.ensure_future(one.predict("busy", [1, 0], key))
                     for one in (ours, theirs)]  # fmt: skip
            await until(lambda: calls(gate) == [1])
            before, began = load(), time.monotonic()
            await until(lambda: time.monotonic() > began + 1.0)
            shares = [
                (busy - busy_before) / (at - at_before)
                for (at_before, busy_before), (at, busy) in zip(before, load(), strict=True)
            ]
            gate.touch()
            await asyncio.gather(*asked)
            return sum(shares)

    assert asyncio.run(run()) == pytest.approx(1.0, abs=0.05)


def test_a_request_that_waits_behind_a_deadly_one_is_not_taken_for_it(stack):
    gate, key = deployed(stack, "deadly")
    replica = stack.replicas[-1]

    def restart() -> None:
        replica.process.wait(SECONDS)
        gate.unlink()
        replica.start()

    async def run() -> None:
        async with one_at_each(stack, 2) as (ours, theirs):
            other = await gateway_of(stack, theirs[0], key)
            deadly = asyncio.ensure_future(ours[0].predict("deadly", [-2, 0], key))
            await until(lambda: calls(gate)[-1:] == [-2])
            innocent = asyncio.ensure_future(theirs[0].predict("deadly", [5, 0], key))
            await theirs[1].look()
            # The gateway of the innocent one comes second, so that it waits behind again.
            stack.gateways[other].send_signal(signal.SIGSTOP)
            before = len(calls(gate))
            gate.touch()
            await asyncio.to_thread(restart)
            await until(lambda: calls(gate)[before:] == [-2])
            stack.gateways[other].send_signal(signal.SIGCONT)
            admin = stack.admins[other]
            await until(lambda: connected(admin.get("/metrics").text, "deadly") == 1)
            await theirs[1].look()
            gate.touch()
            await asyncio.to_thread(restart)
            gate.touch()
            answer = await deadly
            assert (answer.status, answer.code) == (500, "poisonous-request")
            assert (await innocent).body == '{"predictions":[5.0]}'
            # What one gateway refuses, the other does not try.
            before = len(calls(gate))
            answer = await theirs[1].predict("deadly", [-2, 0], key)
            assert (answer.status, answer.code) == (500, "poisonous-request")
            assert len(calls(gate)) == before

    asyncio.run(run())


async def gateway_of(stack: Stack, caller: Caller, key: str) -> int:
    """The number of the gateway that a caller is connected to: the one that counts."""

    def counted() -> list[int]:
        stats = (admin.get("/stats").json() for admin in stack.admins)
        return [one["endpoints"]["deadly"]["requests"] for one in stats]

    before = counted()
    assert (await caller.predict("deadly", [], key)).status == 400
    return next(n for n, (b, a) in enumerate(zip(before, counted(), strict=True)) if a > b)
