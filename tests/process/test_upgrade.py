"""Upgrades: new processes take over from those that run, or leave them as they were."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pytest

from jupyter_deploy import __version__
from jupyter_deploy.cli.app import run
from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import UpgradeFailed
from tests.process.stack import ROWS, Stack, ended, launchers, me, stack
from tests.support import wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        ticket = running.begin("churn")
        running.submit(ticket, running.fill(ticket, sometimes_slow, expected=ROWS.sum(axis=1)))
        yield running


def sometimes_slow(x: np.ndarray) -> np.ndarray:
    import time

    if (x == 0).all():
        time.sleep(6)
    return x.sum(axis=1)


def gateways(one: Stack) -> list[int]:
    """All gateway processes of this home, as the kernel sees them."""
    folder = str(one.home / "processes")
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "jupyter_deploy.gateway" in words and words[-1].startswith(folder):
            found.append(process.pid)
    return found


def events(one: Stack, after: int) -> list[tuple[str, str]]:
    found = [(event.kind, event.message) for event in one.client.events(after=after)]
    # The registry of these versions is nowhere.
    return [(kind, message) for kind, message in found if kind != "registry-away"]


def last_event(one: Stack) -> int:
    return max(event.number for event in one.client.events())


def test_the_command_replaces_supervisor_and_gateway_and_nothing_else(one: Stack, capsys) -> None:
    before, replicas = one.client.status(), one.replica_pids("churn", "1.0.0")
    seen, forks = last_event(one), wait_until(lambda: launchers(one.home), 60)
    assert run(["upgrade", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    one.client.close()
    one.client = connect()
    after = one.client.status()
    assert [part["part"] for part in parts] == ["supervisor", "gateway"]
    pids = [(before.supervisor.pid, after.supervisor.pid)]
    pids += zip(before.gateway.pids, after.gateway.pids, strict=True)
    assert [(part["pid_before"], part["pid"]) for part in parts] == pids
    assert {part[key] for part in parts for key in ("version", "version_before")} == {__version__}
    assert ended(before.supervisor.pid)
    # Replicas are not forked from the code before.
    assert all(map(ended, forks))
    assert gateways(one) == list(after.gateway.pids) != list(before.gateway.pids)
    # It accepted nobody before it was known to serve.
    told = Path(psutil.Process(after.gateway.pids[0]).cmdline()[-1])
    assert json.loads(told.read_text())["waits"]
    assert one.replica_pids("churn", "1.0.0") == replicas
    assert after.gateway.url == before.gateway.url
    assert one.predict("churn") == [3.0, 7.0]
    kinds = [kind for kind, _ in events(one, seen)]
    assert kinds == ["handed-over", "adopted", "adopted", "upgraded"]
    audit = [entry for entry in one.client.audit() if entry.action == "upgraded"]
    assert [entry.origin.via for entry in audit] == ["cli", "cli"]


def test_a_person_reads_what_was_replaced_by_what(one: Stack, capsys) -> None:
    assert run(["upgrade"]) == 0
    text = capsys.readouterr().out
    one.client.close()
    one.client = connect()
    status = one.client.status()
    assert f"{__version__} (pid {status.supervisor.pid})" in text
    assert f"{__version__} (pid {status.gateway.pids[0]})" in text
    assert "1 replica goes on; each has the new code when it is next started." in text


def test_a_replica_that_dies_after_an_upgrade_is_replaced(one: Stack) -> None:
    (victim,) = one.replica_pids("churn", "1.0.0")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: one.replica_pids("churn", "1.0.0") not in ([victim], []), 30)
    assert one.predict("churn") == [3.0, 7.0]


def test_a_new_gateway_that_cannot_run_leaves_the_one_before_serving(one: Stack) -> None:
    before, seen = one.client.status().gateway.pids, last_event(one)
    broken = one.home / "processes" / "uvloop.py"  # found before the installed one
    broken.write_text("raise RuntimeError('a broken release')")
    try:
        with pytest.raises(UpgradeFailed, match="new gateway did not take over") as failed:
            one.client.upgrade(me())
    finally:
        broken.unlink()
    assert "ended with status 1. The one before goes on." in failed.value.detail
    assert any("a broken release" in line for line in failed.value.log)
    assert [kind for kind, _ in events(one, seen)] == ["upgrade-failed"]
    assert gateways(one) == list(before)
    assert one.predict("churn") == [3.0, 7.0]
    # And when it is mended, the same order succeeds.
    (part,) = one.client.upgrade(me()).parts
    assert [part.pid_before] == list(before)
    assert gateways(one) == [part.pid]


def test_a_new_supervisor_that_cannot_run_leaves_the_one_before(one: Stack, capsys) -> None:
    before = one.client.status()
    broken = one.home / "uvicorn.py"
    broken.write_text("raise RuntimeError('a broken release')")
    try:
        assert run(["upgrade"]) == 1
    finally:
        broken.unlink()
    said = capsys.readouterr().err
    assert "The new supervisor did not take over: it ended with status 1." in said
    assert "a broken release" in said
    after = one.client.status()
    assert (after.supervisor, after.gateway) == (before.supervisor, before.gateway)


def test_a_request_that_has_begun_when_the_gateway_is_replaced_is_answered(one: Stack) -> None:
    url = urlsplit(one.client.status().gateway.url)
    ping = f"GET /endpoints/churn/ping HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode()
    before = times_handed_over(one)
    with (
        ThreadPoolExecutor(1) as pool,
        socket.create_connection((str(url.hostname), int(url.port or 0)), 30) as connection,
    ):
        connection.sendall(ping)
        first = b""
        while not first.endswith(b"\r\n\r\n\n"):
            first += connection.recv(65536)
        connection.sendall(ping[:20])
        ordered = pool.submit(one.client.upgrade, me())
        wait_until(lambda: times_handed_over(one) > before or ordered.done(), 60)
        connection.sendall(ping[20:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        ordered.result(60)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in answer


def test_figures_of_the_gateway_before_are_not_lost(one: Stack) -> None:
    before = one.client.metrics("churn").requests
    for _ in range(5):
        one.predict("churn")
    one.client.upgrade(me())
    wait_until(lambda: one.client.metrics("churn").requests >= before + 5)
    assert one.client.metrics("churn").requests == before + 5


def test_a_supervisor_that_dies_amid_an_upgrade_leaves_one_gateway_and_no_failed_request(
    one: Stack,
) -> None:
    url, key = one.endpoint("churn").url, one.key("churn")

    def long_request() -> httpx.Response:
        return httpx.post(
            f"{url}/invocations",
            json={"inputs": [[0.0, 0.0]]},
            headers={"authorization": f"Bearer {key}"},
            timeout=60,
        )

    def order() -> None:
        with connect() as client, pytest.raises(OSError):
            client.upgrade(me())

    with ThreadPoolExecutor(2) as pool:
        before = times_handed_over(one)
        asked = pool.submit(long_request)
        wait_until(lambda: busy(one))
        ordered = pool.submit(order)
        # The one before cannot end while it has the long request.
        wait_until(lambda: times_handed_over(one) > before, 30)
        assert len(gateways(one)) == 2
        os.kill(one.supervisor_pid(), signal.SIGKILL)
        ordered.result(60)
        one.client.close()
        one.client = connect()
        assert asked.result(60).status_code == 200
    wait_until(lambda: gateways(one) == list(one.client.status().gateway.pids), 30)
    assert one.predict("churn") == [3.0, 7.0]


def busy(one: Stack) -> bool:
    """Whether a gateway has sent the long request to its replica."""
    folder = one.client.socket.parent
    return any(at_work(path) for path in folder.glob("gateway*.sock"))


def at_work(admin: Path) -> bool:
    transport = httpx.HTTPTransport(uds=str(admin))
    with httpx.Client(transport=transport, base_url="http://gateway") as http:
        try:
            return any(version[3] > 0 for version in http.get("/load").json()["versions"])
        except httpx.TransportError:
            return False


def times_handed_over(one: Stack) -> int:
    return (one.home / "logs" / "gateway.log").read_text().count("gateway hands over")
