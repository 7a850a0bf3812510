"""Processes as the supervisor starts, watches and finds them."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_deploy.client.process_start import started_at
from jupyter_deploy.supervisor import processes
from jupyter_deploy.supervisor.processes import Order, Process

SECONDS = 10.0
WAITS = "import time; time.sleep(600)"


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of somebody who looks at what a process of ours was told."""
    file = str(tmp_path / "gateway.json")
    with subprocess.Popen([sys.executable, "-c", WAITS, file]) as process:
        yield process
        process.kill()


def test_who_looks_at_a_file_of_ours_is_none_of_our_processes(
    tmp_path: Path, pager: subprocess.Popen[bytes]
) -> None:
    assert processes.found(tmp_path) == {}
    assert processes.running("jupyter_deploy.replica.launcher", tmp_path) == []
    assert pager.poll() is None


def test_one_of_ours_is_found_by_what_it_was_told(tmp_path: Path) -> None:
    # Waits for orders on its standard input, whatever else it was told.
    file = str(tmp_path / "orders.json")
    command = [sys.executable, "-m", "jupyter_deploy.registry", file]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        known = (process.pid, started_at(process.pid))
        assert processes.found(tmp_path) == {"orders.json": known}
        assert processes.running("jupyter_deploy.registry", tmp_path) == [known]
        process.kill()


def test_a_process_is_watched_where_the_kernel_gives_no_handle_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refused, raising=False)

    async def watch() -> str:
        order = Order([sys.executable, "-c", WAITS], {}, tmp_path, tmp_path / "log")
        process = Process.start(order)
        process.terminate()
        return str(await asyncio.wait_for(process.exit(), SECONDS))

    assert asyncio.run(watch()) == "was killed by SIGTERM"
