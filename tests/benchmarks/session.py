"""One peer serves one model: started, checked, measured under load, and stopped.

Rule 1: no load before all rows have been answered right.  Rule 2: whatever happens, every process
of the peer is ended.  Rule 3: the clock of "start to first answer" runs from the command to the
first right answer of a single-row request.
"""

from __future__ import annotations

import http.client
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.peer import THREADS, NotYet, Peer, Place, Target
from benchmarks.processes import Processes

START_SECONDS = 180.0
PREPARE_SECONDS = 300.0
ANSWER_SECONDS = 60.0
#: A server is at rest when it uses less of one core than this; LitServe and Ray always use a tenth.
AT_REST_PERCENT = 20.0
QUIET_SECONDS = 3
SETTLE_SECONDS = 30.0
TESTS = Path(__file__).parents[1]


class Failed(RuntimeError):
    """A peer did not start, or answered wrong; the message has the last lines of its log."""


@dataclass(frozen=True)
class Plan:
    """How long and how hard each peer is loaded."""

    connections: tuple[int, ...] = (1, 16, 64, 256)
    seconds: int = 10
    warm_up_seconds: int = 2
    idle_seconds: float = 5.0
    #: h2load repeats this cell, on the first model of the run; None: it does not.
    confirm_connections: int | None = None


@dataclass
class Cell:
    """What one peer showed with one model; `problem` says why something is missing."""

    peer: str
    model: str
    start_seconds: float | None = None
    idle_memory_mb: float | None = None
    loaded_memory_mb: float | None = None
    idle_cpu_percent: float | None = None
    loads: dict[str, load.Load] = field(default_factory=dict)
    confirmed: dict[str, float] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    problem: str = ""


class Session:
    """The life of one server; a context manager that leaves nothing behind."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self.peer = peer
        self.place = place
        self.processes = Processes(place.scratch / "server.log")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if command := self.peer.stop(self.place):
                self._finish(command)
        finally:
            self.processes.stop()

    def start(self) -> float:
        """Prepare, start, and wait for the first right answer; its time in seconds.

        Raises Failed when there is none in START_SECONDS, or when the server ends before.
        """
        for command in self.peer.prepare(self.place):
            self._finish(command)
        started = time.monotonic()
        process = self.processes.start(self.peer.command(self.place), self._variables())
        while wrong := self._what_is_wrong():
            if process.poll():
                raise Failed(f"{self.peer.name} ended ({process.returncode}): {self._log()}")
            if time.monotonic() - started > START_SECONDS:
                raise Failed(f"{self.peer.name} gave no right answer: {wrong}; {self._log()}")
            time.sleep(0.02)
        return time.monotonic() - started

    def check(self) -> None:
        """Ask for each row by itself; raises Failed when a label is not the model's."""
        target = self.target()
        for number, expected in enumerate(self._expected(target)):
            found = self.peer.labels(self._ask(target, number))
            if found != [expected]:
                raise Failed(f"row {number}: the model says {expected!r}, the server {found!r}")

    def extra(self) -> dict[str, float]:
        """The peer's own further figures."""
        if command := self.peer.extra_command(self.place):
            self._finish(command)
        return self.peer.extra(self.place)

    def target(self) -> Target:
        """Single-row requests for this model."""
        return self.peer.target(self.place)

    def _expected(self, target: Target) -> list[Any]:
        return target.bodies if self.peer.name == "echo" else self.place.fitted.labels

    def _what_is_wrong(self) -> str:
        try:
            target = self.target()
            found = self.peer.labels(self._ask(target, 0))
        except (NotYet, OSError, http.client.HTTPException, ValueError, KeyError) as error:
            return repr(error)
        expected = self._expected(target)[0]
        return "" if found == [expected] else f"{found!r}, not {expected!r}"

    def _ask(self, target: Target, number: int) -> bytes:
        host, _, port = self.place.url.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", target.path, target.bodies[number], target.headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {body[:200]!r}")
        return body

    def _finish(self, command: list[str]) -> None:
        process = self.processes.start(command, self._variables())
        if process.wait(PREPARE_SECONDS):
            raise Failed(f"{' '.join(command)[:200]} failed: {self._log()}")

    def _variables(self) -> dict[str, str]:
        # Servers start others by name (`uvicorn`): those of their own environment come first.
        path = f"{self.place.python.parent}{os.pathsep}{os.environ['PATH']}"
        own = self.peer.variables(self.place)
        return {**THREADS, "PATH": path, "PYTHONPATH": str(TESTS), **own}

    def _log(self) -> str:
        lines = self.processes.log.read_text(errors="replace").splitlines()
        return " | ".join(lines[-8:])[-1500:]


def measure(peer: Peer, place: Place, plan: Plan, say: Callable[[str], None]) -> Cell:
    """Everything about one peer and one model.  A failure is in the cell's `problem`."""
    cell = Cell(peer.name, place.fitted.name)
    if reason := peer.refuses(place.fitted.kind):
        cell.problem = reason
        return cell
    try:
        with Session(peer, place) as session:
            _measure(session, plan, cell, say)
    except (Failed, OSError, ValueError, RuntimeError) as error:
        cell.problem = str(error)
    return cell


def _measure(session: Session, plan: Plan, cell: Cell, say: Callable[[str], None]) -> None:
    cell.start_seconds = session.start()
    session.check()
    _settle(session.processes)
    cell.idle_cpu_percent = _idle_cpu_percent(session.processes, plan.idle_seconds)
    cell.idle_memory_mb = session.processes.memory_mb()
    say(f"  first answer after {cell.start_seconds:.1f} s, {cell.idle_memory_mb or 0:.0f} MB")
    place, target = session.place, session.target()
    for connections in plan.connections:
        load.wrk(place.url, [target], connections, plan.warm_up_seconds, place.scratch)
        shown = load.wrk(place.url, [target], connections, plan.seconds, place.scratch)
        cell.loads[str(connections)] = shown
        say(f"  {connections:4} connections: {_sentence(shown)}")
    cell.loaded_memory_mb = session.processes.memory_mb()
    if plan.confirm_connections:
        confirmed = load.h2load(
            place.url, target, plan.confirm_connections, plan.seconds, place.scratch
        )
        cell.confirmed[str(plan.confirm_connections)] = confirmed
        say(f"  h2load at {plan.confirm_connections}: {confirmed:,.0f}/s")
    cell.extra = session.extra()


def _sentence(shown: load.Load) -> str:
    sentence = (
        f"{shown.requests_per_second:,.0f}/s, p50 {shown.p50_ms:.2f} ms, p99 {shown.p99_ms:.2f} ms"
    )
    if shown.clean:
        return sentence
    return f"{sentence} - {shown.not_2xx} not 2xx, {shown.failed} failed, of {shown.requests}"


def _settle(processes: Processes) -> None:
    """Let a server end what it does after its first answer: ours brings MLflow up to date."""
    deadline, quiet = time.monotonic() + SETTLE_SECONDS, 0
    while quiet < QUIET_SECONDS and time.monotonic() < deadline:
        at_rest = (_idle_cpu_percent(processes, 1.0) or 0.0) < AT_REST_PERCENT
        quiet = quiet + 1 if at_rest else 0


def _idle_cpu_percent(processes: Processes, seconds: float) -> float | None:
    if not seconds:
        return None
    before = processes.cpu_seconds()
    time.sleep(seconds)
    # A process that ended meanwhile takes its time with it.
    return max(0.0, 100 * (processes.cpu_seconds() - before) / seconds)


def free_port(count: int = 3) -> int:
    """A port such that it and the ones after it are free on loopback."""
    for port in range(18_900, 28_900, 10):
        if all(_is_free(port + offset) for offset in range(count)):
            return port
    raise Failed("no free port between 18900 and 28900")


def _is_free(port: int) -> bool:
    # Without SO_REUSEADDR, as some servers bind: a port that lately served is passed over.
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
