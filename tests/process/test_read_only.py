"""A disk that its system has made read-only, as it does after an error: it passes, or all ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Disk, small_disk
from tests.process.stack import Stack, ended, ours, stack, until_ready
from tests.support import wait_until

SECONDS = 30.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", "48m") as made:
        yield made


@pytest.fixture
def one(disk: Disk) -> Iterator[Stack]:
    with stack(disk.folder / "home") as running:
        running.deploy("churn", 1.0)
        yield running


def test_a_replica_that_died_meanwhile_is_back_when_the_disk_is(one: Stack, disk: Disk) -> None:
    (before,) = one.replica_pids("churn", "1.0.0")
    with disk.read_only():
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: one.endpoint("churn").state == "degraded", SECONDS)
        log = (one.home / "logs" / "supervisor.log").read_text
        wait_until(lambda: "routes are not published" in log(), SECONDS)
    (after,) = until_ready(one, "churn", "1.0.0", 1, SECONDS)
    assert after != before
    wait_until(lambda: len(one.version("churn", "1.0.0").replicas) == 1, SECONDS)
    wait_until(lambda: one.call("churn").status_code == 200, SECONDS)


def test_nothing_goes_on_after_a_stop(one: Stack, disk: Disk) -> None:
    supervisor = one.supervisor_pid()
    with disk.read_only():
        os.kill(supervisor, signal.SIGTERM)
        wait_until(lambda: ended(supervisor), SECONDS)
        assert not ours(one.home)
