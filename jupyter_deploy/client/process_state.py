"""Whether a process runs, as the kernel sees it (Linux; elsewhere nothing is known of it)."""

from __future__ import annotations

from pathlib import Path

_NANOSECONDS = 1e9


def starved_seconds(pid: int) -> float:
    """How long the process's main thread has waited for a processor, since it started."""
    # The second field of /proc/PID/schedstat, see Documentation/scheduler/sched-stats.rst.
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / _NANOSECONDS
    except (OSError, IndexError, ValueError):
        return 0.0


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger holds the process."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False
