"""Versions that come and go: no request is lost with one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateways import Stack
from tests.process.served import VECTOR
from tests.process.steady import Load, Marked, problem
from tests.support import wait_until


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("switch", "late", "taken")


def leave_only(stack: Stack, name: str, version: str) -> None:
    """`name` has this version, active, and no other."""
    (endpoint,) = [one for one in stack.snapshot.endpoints if one.name == name]
    only = tuple(route for route in endpoint.versions if route.version == version)
    others = tuple(one for one in stack.snapshot.endpoints if one.name != name)
    stack.publish(endpoints=(*others, type(endpoint)(name, version, only)))


def test_switching_versions_under_load_costs_no_request(stack, key):
    stack.deploy("switch", VECTOR, Marked(stack.folder / "a.calls", seconds=0.003))
    stack.deploy("switch", VECTOR, Marked(stack.folder / "b.calls", plus=0.5, seconds=0.003),
                 version="1.1.0", active=False)  # fmt: skip
    with Load(stack, "switch", key, callers=4) as load:
        for _ in range(5):
            for version in ("1.1.0", "1.0.0"):
                stack.activate("switch", version)
                load.wait_for_more(20)
    assert load.statuses.keys() == {200}
    assert load.wrong == []
    assert len(load.versions) >= 10


def test_replacing_replicas_and_removing_a_version_under_load_costs_no_request(stack, key):
    with Load(stack, "switch", key, callers=4) as load:
        for _ in range(3):
            fresh = stack.replica(VECTOR, Marked(stack.folder / "a.calls", seconds=0.003)).wait()
            stack.change("switch", "1.0.0", replicas=(fresh.route,))
            load.wait_for_more(20)
        stack.activate("switch", "1.1.0")
        leave_only(stack, "switch", "1.1.0")
        load.wait_for_more(20)
    assert load.statuses.keys() == {200}
    assert load.wrong == []
    assert load.versions[-1] == "1.1.0"


def waiting(stack: Stack, name: str) -> int:
    """How many requests to `name` no replica has."""
    return sum(n for one, _, n, _ in stack.admin.get("/load").json()["versions"] if one == name)


@pytest.mark.parametrize("gone", [False, True], ids=["standby", "gone"])
def test_requests_that_wait_for_a_version_without_replicas_go_to_the_one_that_takes_over(
    stack, key, gone
):
    """A short one and a long one; one that names the version waits for that version."""
    for version, plus in (("1.0.0", 0.0), ("1.1.0", 0.5)):
        model = Marked(stack.folder / "taken.calls", plus=plus)
        how = {"version": version, "timeout_seconds": 60.0 if plus == 0 else 5.0}
        stack.deploy("taken", VECTOR, model, active=plus > 0, **how)
    for crashed in stack.replicas[-1:]:
        crashed.kill()
    stack.change("taken", "1.1.0", replicas=())
    long = [[1, 0]] * 4000
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(stack.predict, "taken", {"inputs": rows}, key) for rows in ([[1, 0]], long)
        ]
        pinned = pool.submit(
            stack.predict, "taken", {"inputs": [[1, 0]]}, key, path="/versions/1.1.0"
        )
        wait_until(lambda: waiting(stack, "taken") == 3, 30)
        stack.activate("taken", "1.0.0")
        if gone:
            leave_only(stack, "taken", "1.0.0")
        answers = [one.result(60) for one in asked]
        assert problem(pinned.result(60)) == (503, "no-replica")
    assert [one.status_code for one in answers] == [200, 200]
    assert {one.headers["x-model-version"] for one in answers} == {"1.0.0"}
    assert [len(one.json()["predictions"]) for one in answers] == [1, len(long)]


def test_a_request_whose_version_goes_while_its_body_is_on_its_way_gets_the_next_one(stack, key):
    for version, plus, active in (("1.0.0", 0.0, True), ("1.1.0", 0.5, False)):
        model = Marked(stack.folder / "late.calls", plus=plus)
        stack.deploy("late", VECTOR, model, version=version, active=active)
    head = (
        "POST /endpoints/late/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n"
        f"Content-Type: application/json\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", stack.port), 30) as connection:
        connection.sendall(head.encode())
        # Answered after the head was read, as one process reads both.
        assert stack.predict("late", {"inputs": [[1, 0]]}, key).json() == {"predictions": [1.0]}
        leave_only(stack, "late", "1.1.0")
        connection.sendall(b'{"inputs":[[1,0]]}')
        received = b""
        while data := connection.recv(65536):
            received += data
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"x-model-version: 1.1.0" in received
    assert received.endswith(b'{"predictions":[1.5]}')
