"""The processes of a peer: found by a mark in their environment, measured, and all ended.

Rule 1: servers put children into sessions of their own (Ray and our supervisor do), so a process
group is not enough: a process belongs to a run when its environment carries the run's mark, or when
an ancestor's does.  Rule 2: nothing but marked processes is ever signalled.
Where there is no /proc (macOS), the group is ended and memory is not measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

MARK = "JUPYTER_DEPLOY_BENCHMARK"
STOP_SECONDS = 8.0
PROC = Path("/proc")


@dataclass
class Processes:
    """All processes started with `variables`, and their children."""

    log: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a marked process in a session of its own; its output goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **variables, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def pids(self) -> set[int]:
        """The marked processes and their descendants, as far as they are alive."""
        parents = {int(entry.name): _parent(entry) for entry in _entries()}
        mark = f"{MARK}={self.mark}".encode()
        found = {pid for pid in parents if mark in _environment(pid)}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def memory_mb(self) -> float | None:
        """Their proportional memory (PSS): shared pages count once."""
        sizes = [pss_kb(pid) for pid in self.pids()]
        return sum(sizes) / 1024 if sizes else None

    def cpu_seconds(self) -> float:
        """The processor time that the living ones have used."""
        return sum(cpu_seconds(pid) for pid in self.pids())

    def stop(self) -> list[int]:
        """End all of them: SIGTERM, then SIGKILL; the pids that had to be killed."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        stubborn = sorted(self._alive())
        self._signal(signal.SIGKILL)
        for process in self.started:
            process.wait(STOP_SECONDS)
        return stubborn

    def _alive(self) -> set[int]:
        for process in self.started:
            process.poll()
        return self.pids() if PROC.is_dir() else {p.pid for p in self.started if p.poll() is None}

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._alive():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _entries() -> list[Path]:
    return [entry for entry in PROC.iterdir() if entry.name.isdigit()] if PROC.is_dir() else []


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # it has ended, or it is somebody else's
        return b""


def _environment(pid: int) -> list[bytes]:
    return _read(pid, "environ").split(b"\0")


def _stat(pid: int) -> list[bytes]:
    # The name may hold blanks and brackets: the fields begin after the last ")".
    return _read(pid, "stat").rpartition(b")")[2].split()


def _parent(entry: Path) -> int:
    fields = _stat(int(entry.name))
    return int(fields[1]) if fields and fields[0] != b"Z" else 0


def pss_kb(pid: int) -> int:
    """The proportional memory of a process in KiB; 0 when it has ended."""
    for line in _read(pid, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """The processor time of a process; 0 when it has ended."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0
