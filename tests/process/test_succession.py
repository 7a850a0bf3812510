"""Whether a supervisor that has handed over is needed again, asked of real processes and locks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.process_start import started_at
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.supervisor import succession
from jupyter_deploy.supervisor.succession import Lock, Successor, goes_on
from tests.support import wait_until


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A successor that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def successor(process: subprocess.Popen[bytes]) -> Successor:
    started = started_at(process.pid)
    found = Successor.of(Origin("ada", "cli", pid=process.pid, pid_started=started or 0.0))
    assert found is not None
    return found


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Lock]:
    with Lock(tmp_path / "supervisor.lock") as lock:
        assert lock.take()
        yield lock


def test_the_one_before_is_not_needed_when_its_successor_serves(
    tmp_path: Path, ours: Lock, successor: Successor
) -> None:
    with Lock(tmp_path / "supervisor.lock") as theirs, ThreadPoolExecutor(1) as pool:
        assert not theirs.take()
        asked = pool.submit(goes_on, successor, ours, tmp_path / "supervisor.json")
        wait_until(theirs.take)
        assert not asked.done()
        said = Supervisor(successor.pid, successor.started, "", "")
        said.write(tmp_path / "supervisor.json")
        assert asked.result(10) is False


def test_it_goes_on_when_its_successor_dies_with_the_lock(
    tmp_path: Path, ours: Lock, successor: Successor, process: subprocess.Popen[bytes]
) -> None:
    # What it wrote itself, before it handed over, says nothing.
    Supervisor(1, 0.0, "", "").write(tmp_path / "supervisor.json")
    process.kill()
    assert goes_on(successor, ours, tmp_path / "supervisor.json")
    with Lock(tmp_path / "supervisor.lock") as theirs:
        assert not theirs.take()


def test_a_successor_that_says_nothing_is_ended(
    tmp_path: Path, ours: Lock, successor: Successor, process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(succession, "TAKE_OVER_SECONDS", 0.1)
    assert goes_on(successor, ours, tmp_path / "supervisor.json")
    assert process.wait(10) < 0


def test_what_has_died_may_hold_the_lock_a_moment_longer(
    tmp_path: Path, ours: Lock, successor: Successor, process: subprocess.Popen[bytes]
) -> None:
    """Its first thread is gone before its last one, which has the files."""
    with ThreadPoolExecutor(1) as pool:
        with Lock(tmp_path / "supervisor.lock") as held:
            asked = pool.submit(goes_on, successor, ours, tmp_path / "supervisor.json")
            wait_until(held.take)
            process.kill()
            process.wait(10)
            # It has seen the death, and tries.
            wait_until(lambda: not successor.lives())
            assert not asked.done()
        assert asked.result(10)


def test_a_third_one_that_was_quicker_has_the_home(
    tmp_path: Path, ours: Lock, successor: Successor, process: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(succession, "_FREE_SECONDS", 0.1)
    with Lock(tmp_path / "supervisor.lock") as theirs, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(goes_on, successor, ours, tmp_path / "supervisor.json")
        wait_until(theirs.take)
        process.kill()
        assert asked.result(10) is False


def test_a_successor_of_an_earlier_release_does_not_say_who_it_is() -> None:
    assert Successor.of(Origin("ada", "cli")) is None
