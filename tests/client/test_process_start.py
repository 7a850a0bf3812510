"""A process is its pid together with its start, whatever the clock does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.process_start import lives, own_start, started_at
from tests.support import wait_until


@pytest.fixture
def child() -> Iterator[subprocess.Popen]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_living_process_is_known_by_its_pid_and_start(child: subprocess.Popen) -> None:
    started = started_at(child.pid)
    assert started is not None
    assert lives(child.pid, started)
    assert not lives(child.pid, started - 0.01), "another process had this pid before"


def test_a_process_that_has_ended_lives_no_more_even_while_nobody_has_waited_for_it(
    child: subprocess.Popen,
) -> None:
    started = started_at(child.pid) or 0.0
    child.kill()
    wait_until(lambda: started_at(child.pid) is None, 5)
    assert not lives(child.pid, started)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a start is a time of the clock")
def test_a_clock_that_is_moved_makes_no_living_process_a_stranger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = Supervisor(os.getpid(), own_start(), "", "")
    before = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: before(self) + 3600.0)
    assert me.alive()


def test_a_start_that_an_earlier_release_has_noted_is_understood() -> None:
    started = psutil.Process().create_time()
    assert lives(os.getpid(), started)
    assert not lives(os.getpid(), started - 60.0)
