"""Child processes: started, watched, ended, and found again by the next supervisor.

Rule 1: a process is its pid together with its start time; a reused pid is never taken for it.
Rule 2: every process has a session of its own, so that nothing that happens to the supervisor's
reaches it, and all that it starts can be ended with it.  Rule 3: nothing here decides; whoever
watches is told once, when the process has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from jupyter_deploy.client.memory import size
from jupyter_deploy.client.process_start import started_at
from jupyter_deploy.core.lifecycle.replica import Cause
from jupyter_deploy.replica.spec import EXIT_NO_ROOM
from jupyter_deploy.supervisor.out_of_memory import KILLS

#: Where no pidfd is to be had, processes are looked at this often.
_POLL_SECONDS = 0.2
#: How long the parent of a forked process may take to tell how it ended.
_REAP_SECONDS = 1.0
#: All that is ours is a module of this.
_PACKAGE = "jupyter_deploy."
#: What a person, or a service manager, ends a process with.
_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
#: To be read too: whoever prints cuts its own log (replica/printing.py).
_LOG_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit status, a signal, or None when only its parent could know.

    `peak_bytes` is the most memory that it ever held, where that is known.
    """

    status: int | None
    out_of_memory: bool = False
    peak_bytes: int | None = None

    @property
    def own_fault(self) -> bool:
        """Whether it ended by itself: a crash, a status, or too much memory."""
        return self.out_of_memory or self.status not in (None, 0, *_SIGNALS)

    @property
    def cause(self) -> Cause:
        """Why it ended: of memory is its own fault, and what nobody knows is not."""
        if self.status in (None, *_SIGNALS) and not self.out_of_memory:
            return Cause.KILLED
        return Cause.NO_ROOM if self.status == EXIT_NO_ROOM else Cause.ITSELF

    def __str__(self) -> str:
        if self.out_of_memory:
            held = "" if self.peak_bytes is None else f" (it held {size(self.peak_bytes)})"
            return f"was killed: out of memory{held}"
        if self.status is None:
            return "has ended"
        if self.status < 0:
            return f"was killed by {_name(-self.status)}"
        return f"ended with status {self.status}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have none, but for the first and the last of them
        return f"signal {number}"


@dataclass(frozen=True, slots=True)
class Reaped:
    """What the parent of a process learns of its end: status (or minus the signal), and memory."""

    status: int
    peak_bytes: int | None

    @classmethod
    def of(cls, pid: int) -> Reaped:
        """Wait for the child `pid`."""
        _, status, usage = os.wait4(pid, 0)
        unit = 1 if sys.platform == "darwin" else 1024
        return cls(os.waitstatus_to_exitcode(status), usage.ru_maxrss * unit)


@dataclass(frozen=True, slots=True)
class Order:
    """What to start: `log` gets its output, `descriptors` are the file descriptors it inherits."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    descriptors: Sequence[int] = ()


class Process:
    """One process, ours or adopted.  `exited` is called once, in the event loop."""

    def __init__(
        self,
        pid: int,
        started: float,
        popen: subprocess.Popen[bytes] | None,
        reaped: asyncio.Future[Reaped] | None = None,
    ) -> None:
        self.pid = pid
        self.started = started
        self._popen = popen
        self._reaped = reaped
        self._ended: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._watch = _Watch(pid, started, self._on_end)

    @classmethod
    def start(cls, order: Order) -> Self:
        """Start what `order` says.  Raises OSError."""
        log = os.open(order.log, _LOG_FLAGS, 0o600)
        try:
            popen = subprocess.Popen(
                list(order.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=order.folder,
                env=dict(order.environment),
                pass_fds=tuple(order.descriptors),
                start_new_session=True,
            )
        finally:
            os.close(log)
        # A child of ours stays in the process table until we wait for it: its start is there.
        return cls(popen.pid, started_at(popen.pid) or 0.0, popen)

    @classmethod
    def adopt(cls, pid: int, started: float) -> Self | None:
        """The living process that an earlier supervisor has started, or None."""
        return cls(pid, started, None) if started_at(pid) == started else None

    @property
    def alive(self) -> bool:
        """Whether it has not been seen to end."""
        return not self._ended.done()

    async def exit(self) -> Exit:
        """How it ended, once it has."""
        return await asyncio.shield(self._ended)

    async def ended_within(self, seconds: float) -> bool:
        """Whether it ends within `seconds`."""
        done, _ = await asyncio.wait([self._ended], timeout=seconds)
        return bool(done)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM, group=False)

    def resume(self) -> None:
        """Have it go on, if it was stopped."""
        self._send(signal.SIGCONT, group=False)

    def kill(self) -> None:
        """End it now, with all that it has started."""
        self._send(signal.SIGKILL, group=True)

    async def end(self, seconds: float) -> None:
        """Ask it to end, and end it when it has not after `seconds`."""
        self.terminate()
        if not await self.ended_within(seconds):
            self.kill()
            await self.ended_within(5.0)

    def release(self) -> None:
        """Stop watching; the process goes on."""
        self._watch.stop()

    def _send(self, number: signal.Signals, *, group: bool) -> None:
        if not self.alive or started_at(self.pid) != self.started:
            return
        with contextlib.suppress(ProcessLookupError):
            if group and os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def _on_end(self) -> None:
        self._watch.stop()
        if self._reaped is not None and not self._reaped.done():
            # Its parent, the launcher, is about to tell how it ended, unless it ends as well.
            self._reaped.add_done_callback(lambda _: self._on_end())
            asyncio.get_running_loop().call_later(_REAP_SECONDS, self._reaped.cancel)
            return
        if self._ended.done():
            return
        self._ended.set_result(_exit(self._reap()))

    def _reap(self) -> Reaped | None:
        """What is known of its end; None when only another process could know."""
        if self._popen is not None:
            # What it has started goes with it.  Until we wait, its pid cannot have been reused.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            reaped = Reaped.of(self.pid)
            self._popen.returncode = reaped.status
            return reaped
        known = self._reaped is not None and not self._reaped.cancelled()
        return self._reaped.result() if self._reaped is not None and known else None


def _exit(reaped: Reaped | None) -> Exit:
    if reaped is None:
        return Exit(None, KILLS.lately())
    memory = reaped.status == -signal.SIGKILL and KILLS.lately()
    return Exit(reaped.status, memory, reaped.peak_bytes)


def found(folder: Path) -> dict[str, tuple[int, float]]:
    """Our living processes that were told a file of `folder`: (pid, start) by the file's name.

    The process table is the truth: no process can be lost between its start and a note about it.
    """
    ours: dict[str, tuple[int, float]] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError):
            if process.uids().real != os.getuid():
                continue
            # Somebody's pager may show the same file.
            flag, module, file = process.cmdline()[-3:]
            told, started = Path(file), started_at(process.pid)
            if told.parent != folder or started is None:
                continue
            if flag == "-m" and module.startswith(_PACKAGE):
                ours[told.name] = (process.pid, started)
    return ours | _forked(folder)


def running(module: str, folder: Path) -> list[tuple[int, float]]:
    """Our living processes of `module`, (pid, start), with a path of `folder` in their argv.

    What one of them has forked has its argv, and is among them.
    """
    found: list[tuple[int, float]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            started, words = started_at(process.pid), process.cmdline()
            mine = started is not None and process.uids().real == os.getuid()
            if mine and module in words and any(Path(word).parent == folder for word in words):
                found.append((process.pid, started or 0.0))
    return found


def _forked(folder: Path) -> dict[str, tuple[int, float]]:
    """Those that a launcher has forked: their argv is the launcher's, so they left a note."""
    ours: dict[str, tuple[int, float]] = {}
    for note in folder.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            pid, ticks = map(int, note.read_text().split())
            started = started_at(pid)
            if started == ticks / os.sysconf("SC_CLK_TCK"):
                ours[f"{note.stem}.json"] = (pid, started)
    return ours


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a child inherits: where programs, modules and libraries are, and `extra`.

    Nothing else: the environment that a supervisor was started in may hold tokens.
    """
    kept = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
    merged = kept | dict(extra)
    paths = [merged.get("PYTHONPATH", ""), kept.get("PYTHONPATH", "")]
    unique = dict.fromkeys(part for path in paths for part in path.split(os.pathsep) if part)
    return merged | ({"PYTHONPATH": os.pathsep.join(unique)} if unique else {})


_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|PYTHONPATH|PYTHONHOME"
    r"|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|(DY)?LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+"
    r"|OMP_\w+|MKL_\w+|OPENBLAS_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|JAVA_HOME|XDG_\w+"
    r"|JUPYTER_DEPLOY_HOME"
)


class _Watch:
    """Calls `ended` in the event loop when a process ends, until stopped."""

    def __init__(self, pid: int, started: float, ended: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None
        self._poll: asyncio.TimerHandle | None = None
        self._ended = ended
        if not hasattr(os, "pidfd_open"):
            self._look(pid, started)
            return
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._loop.call_soon(ended)
            return
        except OSError:  # an old kernel, a container that forbids it, too many open files
            self._look(pid, started)
            return
        self._loop.add_reader(self._descriptor, ended)

    def stop(self) -> None:
        """Watch no more."""
        if self._poll is not None:
            self._poll.cancel()
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _look(self, pid: int, started: float) -> None:
        if started_at(pid) != started:
            self._loop.call_soon(self._ended)
        else:
            self._poll = self._loop.call_later(_POLL_SECONDS, self._look, pid, started)
