"""The lock that makes a process the supervisor of its home, and how it goes to a successor.

    successor   asks the one before to leave, takes the lock, takes over what runs, says so
    the one before   leaves, gives the lock up, and ends when the successor has said so;
                     one whose successor dies before that takes the lock again, and goes on

Rule: somebody watches over what runs, whatever becomes of a successor.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jupyter_deploy.client.discovery import TAKE_OVER_SECONDS, running
from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.person import system_user
from jupyter_deploy.client.process_start import lives, own_start
from jupyter_deploy.core.manifest import Origin

#: A supervisor that hands over has left within this.
_HAND_OVER_SECONDS = 30.0
#: What has died is taken apart by the kernel within this.
_FREE_SECONDS = 5.0
_TRY_SECONDS = 0.01


class Lock:
    """Held by one process of a home at a time, and at most until its end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = _open(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def take(self) -> bool:
        """Whether it is ours now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def taken_within(self, seconds: float) -> bool:
        """Whether it is ours before `seconds` are over."""
        deadline = time.monotonic() + seconds
        while not self.take():
            if time.monotonic() > deadline:
                return False
            time.sleep(_TRY_SECONDS)
        return True

    def keep(self) -> bool:
        """Whether it is still ours, or again; not where another process has it.

        Whoever removes the file, with all of the home perhaps, lets a second supervisor in.  Raises
        OSError where it cannot be made anew.
        """
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._file.stat(), os.fstat(self._descriptor)):
                return True
        fresh = _open(self._file)
        try:
            fcntl.flock(fresh, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh, self._descriptor = self._descriptor, fresh
        except BlockingIOError:
            return False
        finally:
            os.close(fresh)
        return True

    def give_up(self) -> None:
        """Another process may take it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _open(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@dataclass(frozen=True, slots=True)
class Successor:
    """The process that has asked to take over."""

    pid: int
    started: float

    @classmethod
    def of(cls, origin: Origin) -> Successor | None:
        """Who asked; those of earlier releases do not say it."""
        return cls(origin.pid, origin.pid_started) if origin.pid else None

    def lives(self) -> bool:
        """Whether it still runs."""
        return lives(self.pid, self.started)

    def kill(self) -> None:
        """End it now, if it still runs."""
        if self.lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def take_over(lock: Lock) -> bool:
    """Whether the supervisor that runs has left.  Raises DeployError when it refuses to."""
    client = running()
    if client is not None:
        who = Origin(user=system_user(), via="cli", pid=os.getpid(), pid_started=own_start())
        with client:
            client.hand_over(who)
    return lock.taken_within(_HAND_OVER_SECONDS)


def goes_on(successor: Successor, lock: Lock, identity: Path) -> bool:
    """Whether the one before has to go on: the successor died before it said that it serves.

    One that says nothing for TAKE_OVER_SECONDS is ended.
    """
    lock.give_up()
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while successor.lives():
        said = Supervisor.read(identity)
        if said is not None and said.pid == successor.pid:
            return False
        if time.monotonic() > deadline:
            successor.kill()
        time.sleep(_TRY_SECONDS)
    # A process that is seen to be dead may hold it a moment longer; or there is a third one.
    return lock.taken_within(_FREE_SECONDS)
