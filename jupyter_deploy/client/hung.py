"""A supervisor that lives and answers nobody: for how long that may be, and its end.

Rule 1: there are never two.  It is ended first, and the lock is its own until its last thread is
gone; whoever is started before that finds it taken, and goes.  Rule 2: what is counted is time in
which it was asked and could have answered: not what it waited for a processor, and not what whoever
asks came late, so that no machine that was asleep or is starved costs a supervisor.  Rule 3: one
that a signal or a debugger holds is known to answer nobody, and is not waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.process_state import is_stopped, starved_seconds
from jupyter_deploy.core.health import Silence

#: A loop that has not turned for as long as this is taken to turn never again.
HUNG_SECONDS = 20.0
#: What its threads were at is written within this.
_LAST_WORDS_SECONDS = 1.0
_LOOK_SECONDS = 0.02
#: Has a supervisor write what its threads are at.
TELL = signal.SIGUSR1


@dataclass(slots=True)
class Patience:
    """What one who asks has seen of a supervisor that does not answer."""

    whom: Supervisor | None = None
    silence: Silence = field(default_factory=Silence)
    _seen: float = 0.0
    _starved: float = 0.0

    def is_over(self, whom: Supervisor | None, *, planned: float) -> bool:
        """Whether `whom` is to be ended, after one more question without an answer.

        `planned` is how long that may have taken: what is longer was no time of a supervisor's.
        """
        if whom is None or not whom.alive():
            self.whom = None
            return False
        now, starved = time.monotonic(), starved_seconds(whom.pid)
        if whom != self.whom:
            self.whom, self.silence = whom, Silence()
        else:
            waited = max(0.0, starved - self._starved)
            self.silence = self.silence.longer(now - self._seen, planned=planned, starved=waited)
        self._seen, self._starved = now, starved
        return is_stopped(whom.pid) or self.silence.counted >= HUNG_SECONDS


def end(whom: Supervisor, log: Path) -> None:
    """End it now; where its loop hangs, its log says at what."""
    if not is_stopped(whom.pid):
        with contextlib.suppress(OSError):
            _have_told(whom, log)
    if whom.alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(whom.pid, signal.SIGKILL)


def _have_told(whom: Supervisor, log: Path) -> None:
    with log.open("a") as file:
        file.write(
            f"The supervisor (pid {whom.pid}) has answered nobody and is ended, busy with:\n"
        )
    before = log.stat().st_size
    os.kill(whom.pid, TELL)
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    while log.stat().st_size == before and whom.alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
