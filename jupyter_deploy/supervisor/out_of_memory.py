"""Whether the kernel has killed a process because memory ran out (Linux).

It sends SIGKILL, as a person does.  What tells the two apart is its counter of such kills: a kill
is for memory when the counter has grown lately, and `look` has to be called now and then to know
when that was.
"""

from __future__ import annotations

import re
import time

from jupyter_deploy.client.kernel_files import told

#: The kernel counts a kill when it sends it; a large process takes seconds to be gone.
_LATELY_SECONDS = 10.0
_COUNTER = re.compile(r"\noom_kill (\d+)\n")


class Kills:
    """The kernel's counter, and when it last grew."""

    def __init__(self) -> None:
        self._count = _count()
        self._at: float | None = None

    def look(self) -> None:
        """See whether the counter has grown."""
        count = _count()
        if count > self._count:
            self._count, self._at = count, time.monotonic()

    def lately(self) -> bool:
        """Whether it has killed within the last seconds."""
        self.look()
        return self._at is not None and time.monotonic() - self._at < _LATELY_SECONDS


def _count() -> int:
    try:
        match = _COUNTER.search(told("/proc/vmstat"))
    except OSError:
        return 0
    return int(match[1]) if match else 0


#: One machine, one counter.
KILLS = Kills()
