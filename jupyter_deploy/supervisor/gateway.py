"""One gateway: keeps a process of it running, and has a new one take over from the one before.

Rule 1: `core.lifecycle.gateway` decides, this file performs.  Rule 2: of processes of an earlier
supervisor the younger one that serves is taken over.  Rule 3: all that still answer callers carry
out an order, also one that hands over.  Rule 4: the one that serves is asked if its loop turns.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, assert_never

from jupyter_deploy.client import process_state
from jupyter_deploy.client.upgrades import UpgradedPart
from jupyter_deploy.core.health import Verdict
from jupyter_deploy.core.lifecycle import gateway as lifecycle
from jupyter_deploy.core.lifecycle.gateway import ANSWERING, Phase
from jupyter_deploy.core.scaling import Sight
from jupyter_deploy.errors import Unavailable, UpgradeFailed
from jupyter_deploy.supervisor import logs
from jupyter_deploy.supervisor.bell import Bell
from jupyter_deploy.supervisor.gateway_process import (
    SILENT_SECONDS,
    About,
    Errands,
    GatewayProcess,
    NoAnswer,
    adopted,
)
from jupyter_deploy.supervisor.heartbeat import Heart, Listener, Pace
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.processes import Process
from jupyter_deploy.supervisor.settings import Settings

_log = logging.getLogger(__name__)

#: An order is carried out within this, a new process included.
_ORDER_SECONDS = 20.0
#: A process that does not answer so long after its start is ended.
_START_SECONDS = 60.0
#: A successor has so long to connect to the replicas before it takes over without some of them.
_CONNECT_SECONDS = 2.0
_TRY_SECONDS = 0.02
#: How often one that hands over is asked whether it still has connections.
_DRAIN_LOOK_SECONDS = 0.1
_LOG_LINES = 5
_Ending = lifecycle.Exited | lifecycle.NotStarted


class Gateway:
    """Gateway `number`, the first being 0: `keep` has it run, `close` ends it."""

    def __init__(self, settings: Settings, journal: Journal, number: int, errands: Errands) -> None:
        self._settings = settings
        self._journal = journal
        self._errands = errands
        self._life = lifecycle.Gateway()
        self._turns = GatewayProcess(settings, number, 0), GatewayProcess(settings, number, 1)
        self._current = self._turns[0]
        self._next: GatewayProcess | None = None
        self._why_not = ""
        #: The last one whose end we have decided ourselves, and said so.
        self._overdue: Process | None = None
        #: There is none, as there was no room for it, and we have said so.
        self._missing = False
        self._descriptor = -1
        self._bell = Bell()
        #: Held while the successor takes over: an order is for one process or for the other.
        self._switch = asyncio.Lock()
        self._upgrading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        """The process, when there is one."""
        process = self._current.process
        return process.pid if process is not None and process.alive else None

    @property
    def configs(self) -> list[str]:
        """The files that its processes are told."""
        return [one.config for one in self._turns]

    def processes(self) -> list[GatewayProcess]:
        """Those that answer callers: the process, and one that hands over to it."""
        return [one for one in self._turns if one.alive and one is not self._next]

    # --- what there is --------------------------------------------------------------------------

    async def adopt(self, living: Mapping[str, tuple[int, float]]) -> socket.socket | None:
        """Take over what serves of what is `living`; the listening socket that it lends."""
        found = await adopted(self._turns, living)
        if found is None:
            return None
        self._current, others, listener = found
        for one in others:
            self._retire(self._let_go(one))
        self._life = lifecycle.Gateway(Phase.STARTING)
        return listener

    def keep(self, listener: socket.socket) -> None:
        """Start the process if there is none, and again whenever it ends."""
        self._descriptor = listener.fileno()
        if self._life.phase is Phase.STARTING:
            # It lends its socket, so it serves, also where it is too busy to say so.
            self._apply(lifecycle.BecameReady())
            self._attend(self._current)
            if self._current.outdated:
                self._do(self._renew(), "renew")
        else:
            self._apply(lifecycle.StartDue())

    async def serving(self) -> None:
        """Return once it serves, or has had its time."""
        await self._bell.until(lambda: self._life.phase is Phase.SERVING, _ORDER_SECONDS)

    async def upgrade(self) -> UpgradedPart:
        """Have a process of the code that is installed now take over.

        Returns when the one before has finished what it had.  Raises UpgradeFailed when the new one
        does not come up: the one before goes on.
        """
        async with self._upgrading:
            began = time.monotonic()
            before = await self._told()
            await asyncio.gather(*self._retiring)
            former, self._why_not = self._current, ""
            self._apply(lifecycle.UpgradeAsked())
            if self._next is None:
                raise Unavailable("The gateway is only just being started.", "Try again later.")
            seconds = _START_SECONDS + _ORDER_SECONDS
            await self._bell.until(lambda: self._life.phase is not Phase.REPLACING, seconds)
            if self._current is former:
                lines = logs.last_lines(self._settings.logs / "gateway.log", _LOG_LINES)
                raise UpgradeFailed("gateway", f"it {self._why_not}", tuple(lines))
            after = await self._told()
            await asyncio.gather(*self._retiring)
            took = time.monotonic() - began
            return UpgradedPart(
                "gateway", before.pid, before.version, after.pid, after.version, took
            )

    async def _renew(self) -> None:
        try:
            await self.upgrade()
        except (UpgradeFailed, Unavailable) as error:
            _log.warning("a gateway goes on as it was started: %s", error)

    async def _told(self) -> About:
        """What the process says of itself, once it serves."""
        await self.serving()
        try:
            return await self._current.about()
        except NoAnswer as error:
            raise Unavailable("The gateway does not answer now.", "Try again later.") from error

    async def close(self) -> None:
        """Stop accepting, finish what is in flight, end the process."""
        self._apply(lifecycle.StopAsked())
        seconds = self._settings.drain_seconds + 10.0
        await self._bell.until(lambda: self._life.phase is Phase.GONE, seconds)
        for task in [*self._tasks, *self._retiring]:
            task.cancel()
        for one in self._turns:
            if one.process is not None:
                await one.process.end(self._settings.drain_seconds + 2.0)
            await one.close()

    # --- deciding and performing ----------------------------------------------------------------

    def _apply(self, event: lifecycle.Event) -> None:
        jitter = random.random()  # noqa: S311 - spreads starts, hides nothing
        now = time.monotonic()
        self._life, actions = lifecycle.decide(self._life, event, now=now, jitter=jitter)
        for action in actions:
            self._perform(action)
        self._bell.ring()

    def _perform(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.Spawn():
                self._start(self._current, waits=False)
            case lifecycle.StartAfter(seconds):
                asyncio.get_running_loop().call_later(seconds, self._apply, lifecycle.StartDue())
            case lifecycle.SpawnSuccessor():
                self._next = next(one for one in self._turns if one is not self._current)
                self._start(self._next, waits=True)
            case lifecycle.TakeOver():
                self._take_over()
            case lifecycle.DropSuccessor():
                self._drop_successor()
            case lifecycle.Kill():
                assert self._current.process is not None
                self._current.process.kill()
            case lifecycle.End():
                self._do(self._end(self._current), "end")
            case _:
                assert_never(action)

    def _start(self, one: GatewayProcess, *, waits: bool) -> None:
        try:
            # A snapshot that was damaged meanwhile is not what a new process reads.
            self._errands.write_routes()
            one.start(self._descriptor, waits=waits)
        except OSError as error:
            _log.warning("a gateway cannot be started: %s", error)
            # Not at once: what has led here is to be over first.
            why, event = f"cannot be started ({error.strerror})", lifecycle.NotStarted()
            asyncio.get_running_loop().call_soon(self._ended, one, why, event)
            return
        self._missing = False
        self._attend(one)

    def _attend(self, one: GatewayProcess) -> None:
        assert one.process is not None
        care = self._do(self._care(one, one.process), "care for")
        self._do(self._until_exit(one, one.process, care), "watch")

    def _take_over(self) -> None:
        assert self._next is not None
        former, self._current, self._next = self._current, self._next, None
        if former.alive:
            self._retire(self._let_go(former))

    def _drop_successor(self) -> None:
        one, self._next = self._next, None
        if one is not None and one.alive:
            self._retire(self._end(one))

    def _do(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{name} gateway")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _retire(self, ending: Coroutine[Any, Any, None]) -> None:
        """Have one end that is not the gateway any more; its turn comes when it has ended."""
        task = self._do(ending, "retire")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    # --- one process ----------------------------------------------------------------------------

    async def _until_exit(
        self, one: GatewayProcess, process: Process, care: asyncio.Task[None]
    ) -> None:
        exit_ = await process.exit()
        care.cancel()
        self._ended(one, str(exit_), lifecycle.Exited(exit_.own_fault))

    def _ended(self, one: GatewayProcess, why: str, event: _Ending) -> None:
        if one is self._next:
            self._why_not = why
            self._apply(lifecycle.SuccessorFailed())
        elif one is self._current:
            said = self._missing or (one.process is not None and one.process is self._overdue)
            self._missing = isinstance(event, lifecycle.NotStarted)
            then = "it is tried again every second" if self._missing else "a new one starts"
            if self._life.phase is not Phase.STOPPING and not said:
                self._journal.add("gateway-ended", f"{one.label} {why}; {then}.")
            self._apply(event)

    async def _care(self, one: GatewayProcess, process: Process) -> None:
        """Bring it up, unless it serves already, and listen to its heart from then on."""
        serves = one is self._current and self._life.phase is Phase.SERVING
        if serves or await self._until_ready(one, process):
            # Nothing that a gateway does holds its loop for long, whatever requests take.
            listener: Listener[None] = Listener(lambda _: None, partial(self._silent, one, process))
            heart = Heart(process.pid, one.pulse, Pace(), lambda: 0.0, listener)
            await heart.beat(lambda: self._settings.heartbeat_seconds)

    async def _until_ready(self, one: GatewayProcess, process: Process) -> bool:
        """Whether it serves; one that does not in time is not waited for."""
        began = turned = time.monotonic()
        while process.alive and time.monotonic() - began < _START_SECONDS:
            if await self._is_ready(one, time.monotonic() - began):
                return True
            turned = turned if process_state.is_stopped(process.pid) else time.monotonic()
            if time.monotonic() - turned >= SILENT_SECONDS:
                self._silent(one, process, Verdict.KILL, "is stopped")
            await asyncio.sleep(_TRY_SECONDS)
        if process.alive and one is self._next:
            self._why_not = f"has not become ready within {_START_SECONDS:g} s"
            self._apply(lifecycle.SuccessorFailed())
        elif process.alive and one is self._current:
            self._apply(lifecycle.TookTooLong())
        return False

    async def _is_ready(self, one: GatewayProcess, waited: float) -> bool:
        """Whether it serves; one that waits is told to accept, with the routes of this moment."""
        try:
            about = await one.about()
            if one is self._next and not about.ready and waited < _CONNECT_SECONDS:
                return False
            async with self._switch:
                await one.reload()
                if one.waits:
                    await one.accept()
                successor = one is self._next
                self._apply(lifecycle.SuccessorReady() if successor else lifecycle.BecameReady())
        except NoAnswer:
            return False
        return True

    def _silent(self, one: GatewayProcess, process: Process, verdict: Verdict, why: str) -> None:
        if one is not self._current or self._life.phase not in (Phase.STARTING, *ANSWERING):
            return
        if verdict is Verdict.EJECT:
            self._journal.add("gateway-silent", f"{one.label} {why}; another one takes its place.")
            self._do(self._replace_silent(process), "replace silent")
            return
        what = f"{one.label} {why} and is ended; another one takes its place."
        self._journal.add("gateway-hung", what)
        self._overdue = process
        self._apply(lifecycle.WasHung())

    async def _replace_silent(self, process: Process) -> None:
        await asyncio.gather(*self._retiring)  # they have the successor's turn
        if self._current.process is process:
            self._apply(lifecycle.WentSilent())

    async def _let_go(self, one: GatewayProcess) -> None:
        """Let it finish what it has, keep what it has counted, end it."""
        assert one.process is not None
        try:
            async with asyncio.timeout(self._settings.drain_seconds):
                while one.alive and await one.drain():  # noqa: ASYNC110 - another process has no event
                    await asyncio.sleep(_DRAIN_LOOK_SECONDS)
                await self._errands.collect()
        except (NoAnswer, TimeoutError):
            _log.warning("the gateway (pid %d) is ended before it was idle", one.process.pid)
        await one.process.end(_ORDER_SECONDS)

    async def _end(self, one: GatewayProcess) -> None:
        if one.process is not None:
            await one.process.end(self._settings.drain_seconds + 2.0)

    # --- orders ---------------------------------------------------------------------------------

    async def reload(self, sequence: int) -> str:
        """Return once this gateway routes by snapshot `sequence` or a later one.

        One that is just being started is waited for, one that does not answer is replaced: the
        answer says so, and is empty otherwise.  Raises Unavailable when that takes too long.
        """
        deadline, notes = time.monotonic() + _ORDER_SECONDS, list[str]()
        while time.monotonic() < deadline:
            successor = self._next
            asked = [one for one in self._turns if one is not successor]
            done = [await self._routes_by(sequence, one, notes) for one in asked]
            # Only now: no successor waits for one that does not answer.
            async with self._switch:
                if all(done) and successor is self._next:
                    return notes[-1] if notes else ""
            await asyncio.sleep(_TRY_SECONDS)
        raise Unavailable(
            f"The gateway has not confirmed the change within {_ORDER_SECONDS:g} s.",
            "The change is kept and holds once the gateway is back: see logs/gateway.log.",
        )

    async def _routes_by(self, sequence: int, one: GatewayProcess, notes: list[str]) -> bool:
        """Whether it routes by snapshot `sequence` now; what was done about it goes to `notes`."""
        process = one.process
        if process is None or not process.alive:
            return one is not self._current
        try:
            return await one.reload() >= sequence
        except NoAnswer as error:
            # Else it is only just being started, or has just ended.
            if error.silent:
                self._end_silent(one, process)
            if self._overdue is process:
                notes.append(_replaced(process))
            return False

    def _end_silent(self, one: GatewayProcess, process: Process) -> None:
        """End a process that does not answer an order."""
        self._journal.add("gateway-hung", _replaced(process))
        self._overdue = process
        if one is self._current:
            self._apply(lifecycle.WasHung())
        else:
            process.kill()

    async def sight(self) -> Sight | None:
        """What waits and what is at work, or None while it does not answer."""
        return await self._current.sight()


def _replaced(process: Process) -> str:
    return f"The gateway (pid {process.pid}) did not answer and was replaced."
