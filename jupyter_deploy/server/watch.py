"""Keeping a supervisor running for as long as the Jupyter server does.

Rule 1: `decide` decides, from what is seen; the thread looks and acts.  Rule 2: a supervisor that
was stopped on purpose stays stopped: it takes its file away, one that died leaves it.  Rule 3: the
Jupyter server never waits for this thread, and no failure of it reaches the server.
"""

from __future__ import annotations

import enum
import logging
import threading

from jupyter_deploy.errors import DeployError

#: How often the watch looks: three reads of /proc, no request ...
LOOK_SECONDS = 2.0
#: ... but each time after so many looks, when it asks whether the supervisor's loop turns.
LOOKS_BETWEEN = 4
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class Seen(enum.Enum):
    """What there is of a supervisor."""

    ALIVE = enum.auto()
    DEAD = enum.auto()
    """Its file is there and its process is not, or is stopped by a signal: nobody supervises."""
    SILENT = enum.auto()
    """Its process runs and has not answered: it may be busy, or hang."""
    NONE = enum.auto()
    """No file: it was never started, or stopped on purpose."""


def should_start(seen: Seen, *, first: bool) -> bool:
    """Whether to start a supervisor; `first` is the look when the Jupyter server has come up."""
    # Whoever connects to a silent one waits for it, and replaces one that hangs.
    return seen in (Seen.DEAD, Seen.SILENT) or (seen is Seen.NONE and first)


def next_pause(pause: float) -> float:
    """The pause after another start that failed, in seconds: doubled, up to a minute."""
    return min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, pause * 2))


def look(*, ask: bool = False) -> Seen:
    """What there is of the supervisor of this home; with `ask`, whether its loop turns, too."""
    from jupyter_deploy.client import paths
    from jupyter_deploy.client.identity import Supervisor
    from jupyter_deploy.client.process_state import is_stopped

    file = paths.home() / "supervisor.json"
    found = Supervisor.read(file)
    if found is not None and found.alive() and not is_stopped(found.pid):
        return Seen.ALIVE if not ask or _answers() else Seen.SILENT
    return Seen.DEAD if file.exists() else Seen.NONE


def _answers() -> bool:
    from jupyter_deploy.client.discovery import running

    client = running()
    if client is not None:
        client.close()
    return client is not None


class Watch:
    """A thread that starts the supervisor, and starts it again when it has died."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._ending = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="watch the supervisor of jupyter_deploy", daemon=True
        )

    def start(self) -> None:
        """Begin to watch; returns at once."""
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Stop watching (the supervisor goes on); waits `seconds` at most."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        first, pause, looks = True, 0.0, 0
        while not self._ending.wait(pause):
            looks += 1
            if self._look_and_act(first=first, ask=looks % (LOOKS_BETWEEN + 1) == 0):
                first, pause = False, LOOK_SECONDS
            else:
                pause = next_pause(pause)

    def _look_and_act(self, *, first: bool, ask: bool) -> bool:
        try:
            if should_start(look(ask=ask), first=first):
                self._start()
        except DeployError as error:
            self._log.warning("jupyter_deploy: %s", error)
            return False
        except Exception:  # noqa: BLE001 - the edge of the thread: the server and the watch go on
            self._log.exception("jupyter_deploy: the watch of the supervisor failed")
            return False
        return True

    def _start(self) -> None:
        from jupyter_deploy.client.discovery import connect

        with connect() as client:
            self._log.info("jupyter_deploy: supervisor %d is running", client.ping())
