"""A range of replicas under a load that comes and goes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.process.stack import Stack, ended, stack, until_ready
from tests.support import wait_until


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    configuration = tmp_path / "configuration"
    configuration.mkdir()
    file = configuration / "jupyter_deploy_config.py"
    file.write_text("c.SupervisorApp.scale_down_seconds = 3\n")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(configuration))
    with stack(tmp_path / "home") as running:
        yield running


def slow(x):
    """A model that takes as long as its first number says."""
    import time

    time.sleep(float(x[0][0]))
    return x.sum(axis=1)


class Callers:
    """Threads that call an endpoint until told to end; `statuses` holds all that they got."""

    def __init__(self, one: Stack, name: str, count: int, seconds: float, pause: float) -> None:
        self.statuses: list[int] = []
        self._url, self._key = f"{one.endpoint(name).url}/invocations", one.key(name)
        self._body = {"inputs": [[seconds, 1.0]]}
        self._pause = pause
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        with httpx.Client(headers={"authorization": f"Bearer {self._key}"}, timeout=60) as client:
            while True:
                self.statuses.append(client.post(self._url, json=self._body).status_code)
                if self._end.wait(self._pause):
                    return

    def end(self) -> list[int]:
        self._end.set()
        for thread in self._threads:
            thread.join()
        return self.statuses


def submitted(one: Stack, **options) -> list[str]:
    """Deploy the slow model; what its steps say."""
    ticket = one.begin("slow", **options)
    return [step.detail for step in one.submit(ticket, one.fill(ticket, slow)).steps]


def scaled(one: Stack) -> list[str]:
    return [event.message for event in one.client.events() if event.kind == "scaled"]


def test_replicas_come_and_go_with_the_load_and_no_request_is_lost(one: Stack) -> None:
    submitted(one, replicas=1, most_replicas=2)
    version = one.version("slow", "1.0.0")
    assert (version.least_replicas, version.most_replicas) == (1, 2)

    many = Callers(one, "slow", count=12, seconds=0.2, pause=0.0)
    try:
        pids = until_ready(one, "slow", "1.0.0", 2, 60)
        (up,) = scaled(one)
        assert up.startswith("slow 1.0.0 scaled from 1 to 2 replicas: ")

        # A supervisor that takes over keeps what the load has brought.
        supervisor = one.supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: ended(supervisor))
        one.start()
        assert until_ready(one, "slow", "1.0.0", 2) == pids

        # The next version has the same range, and starts with as many as serve now.
        assert submitted(one)[1].startswith("2 ready and warm")
        assert len(one.replica_pids("slow", "1.1.0")) == 2
    finally:
        assert set(many.end()) == {200}

    few = Callers(one, "slow", count=2, seconds=0.0, pause=0.1)
    try:
        until_ready(one, "slow", "1.1.0", 1, 60)
        down = "slow 1.1.0 scaled from 2 to 1 replica: no more were needed for 3 s."
        assert down in scaled(one)
        until_ready(one, "slow", "1.0.0", 1, 60)
    finally:
        assert set(few.end()) == {200}
