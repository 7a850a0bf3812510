"""When a process started: with its pid, what it is told apart by.

Rule 1: on Linux a start is counted from boot, so that no change of the clock makes a living process
a stranger.  Rule 2: a pid alone proves nothing: the kernel gives it to another process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil

#: Earlier notes hold seconds since 1970; no machine has been up for as long as this.
_SINCE_1970 = 1e9
#: What seconds since 1970 may be off by: they are computed from the clock of the moment.
_CLOCK_SECONDS = 1.0


def started_at(pid: int) -> float | None:
    """When the process started, or None when there is none (or only a zombie).

    Linux: seconds since boot, in ticks of the kernel; elsewhere: since 1970.
    """
    if sys.platform != "linux":
        return _since_1970(pid)
    try:
        # Fields 3 and 22 of proc_pid_stat(5); the name before may hold anything, and ends at ')'.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def own_start() -> float:
    """When this process started."""
    return started_at(os.getpid()) or 0.0


def lives(pid: int, started: float) -> bool:
    """Whether the process that had this pid and this start still runs."""
    if sys.platform != "linux" or started > _SINCE_1970:
        found = _since_1970(pid)
        return found is not None and abs(found - started) < _CLOCK_SECONDS
    return started_at(pid) == started


def _since_1970(pid: int) -> float | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return None if zombie else float(process.create_time())
    return None
