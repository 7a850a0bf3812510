"""Replicas: makes what runs follow what ought to run.

Rule 1: `core.lifecycle` decides, this file performs; nothing here changes a phase by itself.
Rule 2: a replica is stopped only after the gateway has confirmed that it routes there no more.
Rule 3: a living process of an earlier supervisor is taken over, never started again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, assert_never

from jupyter_deploy.client.models import ReplicaStatus
from jupyter_deploy.core.health import Silence, Verdict
from jupyter_deploy.core.lifecycle import replica as lifecycle
from jupyter_deploy.core.lifecycle import version as versions
from jupyter_deploy.core.lifecycle.replica import Phase
from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.supervisor import adoption, failures, happenings, launch, logs, starting
from jupyter_deploy.supervisor.bell import Bell
from jupyter_deploy.supervisor.channel import Channel, Pulse
from jupyter_deploy.supervisor.failures import Failure
from jupyter_deploy.supervisor.heartbeat import Heart, Listener, Pace, until_quiet
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.launch import Place, Report
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.processes import Exit
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.slots import Slot, Wiring, ready_seconds, status_of
from jupyter_deploy.supervisor.standing import Standing

_log = logging.getLogger(__name__)

#: How often the socket of a replica that loads its model is looked for.
_LOOK_SECONDS = 0.02
#: A replica that was warm before it listened answers its first heartbeat at once.
_FIRST_PULSE_SECONDS = 10.0
_END_SECONDS = 8.0
#: How long the exit of a process that cannot be reached any more may take to be told.
_EXIT_SECONDS = 0.1
#: With more replicas than this, each is asked less often, so that idle costs stay the same.
_PULSES_PER_SECOND = 25
#: Replicas in these phases are none of those that are wanted.
_LEAVING = (Phase.STOPPING, Phase.EJECTED)


class Replicas:
    """All replicas of all versions."""

    def __init__(
        self, settings: Settings, journal: Journal, launchers: Launchers, wiring: Wiring
    ) -> None:
        self._settings = settings
        self._launchers = launchers
        self._journal = journal
        self._wiring = wiring
        self._slots: list[Slot] = []
        self._wanted: dict[int, int] = {}
        self._paces: dict[int, Pace] = {}
        self._standings: defaultdict[int, Standing] = defaultdict(Standing)
        self._bell = Bell()
        self._stopping = False

    # --- what there is --------------------------------------------------------------------------

    def routes(self) -> dict[int, tuple[ReplicaRoute, ...]]:
        """The replicas that are routed to, by the number of their version."""
        routes: dict[int, tuple[ReplicaRoute, ...]] = {}
        for slot in self._slots:
            # A silent one is better than none: it may only be busy.
            last = slot.life.phase is Phase.EJECTED and not self.ready(slot.number)
            if (slot.life.phase is Phase.READY or last) and slot.place is not None:
                route = ReplicaRoute(slot.place.replica_id, str(slot.place.socket))
                routes[slot.number] = (*routes.get(slot.number, ()), route)
        return routes

    def ready(self, number: int) -> int:
        """How many replicas of a version are ready."""
        return sum(slot.life.phase is Phase.READY for slot in self._of(number))

    def trouble(self, number: int) -> Failure | None:
        """Why a version does not serve, or never for long; None where it does."""
        standing, now = self._standings.get(number), time.monotonic()
        return standing.trouble(ready_seconds(self._of(number), now)) if standing else None

    def living(self) -> Counter[int]:
        """How many replicas each version has that are not on their way out."""
        staying = (slot for slot in self._slots if slot.life.phase is not Phase.STOPPING)
        return Counter(slot.number for slot in staying)

    def statuses(self, number: int) -> tuple[ReplicaStatus, ...]:
        """The replicas of a version, for a person."""
        return tuple(status_of(slot) for slot in self._of(number))

    def channel(self, number: int) -> Channel:
        """A connection to a replica that is ready.  Raises LookupError."""
        for slot in self._of(number):
            if slot.life.phase is Phase.READY and slot.channel is not None:
                return slot.channel
        raise LookupError(number)

    def report(self, number: int) -> Report | None:
        """What a ready replica of the version reported."""
        places = [slot.place for slot in self._of(number) if slot.life.phase is Phase.READY]
        return next((launch.read_report(place) for place in places if place is not None), None)

    def _of(self, number: int) -> list[Slot]:
        return [slot for slot in self._slots if slot.number == number]

    # --- what ought to be -----------------------------------------------------------------------

    def want(self, wanted: Mapping[int, int]) -> None:
        """Have so many replicas of each version (by number), and none of others."""
        self._wanted = dict(wanted)
        numbers = dict.fromkeys([*wanted, *(slot.number for slot in self._slots)])
        for number in numbers:
            self._want(number, wanted.get(number, 0))

    def _want(self, number: int, count: int) -> None:
        if count == 0:
            self._standings[number].start_over()
            self._paces.pop(number, None)
        silent = [slot for slot in self._of(number) if slot.life.phase is Phase.EJECTED]
        # Each has been replaced; with more than these, a model that always hangs would fill memory.
        for slot in silent[: max(0, len(silent) - count)]:
            slot.overdue = True
            self._apply(slot, lifecycle.WasHung() if count else lifecycle.StopAsked())
        staying = [slot for slot in self._of(number) if slot.life.phase not in _LEAVING]
        # Those that serve are the last to go.
        staying.sort(key=lambda slot: slot.life.phase is Phase.READY, reverse=True)
        for slot in staying[count:]:
            self._apply(slot, lifecycle.StopAsked())
        version = self._wiring.version(number)
        for _ in range(count - len(staying) if version is not None else 0):
            assert version is not None
            slot = Slot(version)
            self._slots.append(slot)
            self._apply(slot, lifecycle.StartDue())

    async def settled(self, number: int, count: int, *, step: str) -> None:
        """Return once `count` replicas of the version are ready.  Raises ReplicaFailed."""
        seconds = self._settings.start_seconds + _FIRST_PULSE_SECONDS
        standing = self._standings[number]
        before = standing.faults

        def over() -> bool:
            return self.ready(number) >= count or standing.faults > before

        await self._bell.until(over, seconds)
        if self.ready(number) >= count:
            return
        if standing.faults > before and standing.failure is not None:
            raise standing.failure.error(step)
        raise failures.too_slow(seconds, self.last_lines(number)).error(step)

    async def gone(self, number: int, seconds: float) -> bool:
        """Whether the version has no process any more, within `seconds`."""
        return await self._bell.until(lambda: not self._of(number), seconds)

    async def stop(self) -> None:
        """End every replica."""
        self._stopping = True
        self.want({})
        seconds = 2 * _END_SECONDS
        if not await self._bell.until(lambda: not self._slots, seconds):
            _log.error("%d replicas have not ended within %g s", len(self._slots), seconds)

    # --- taking over ----------------------------------------------------------------------------

    def adopt(self, living: Mapping[str, tuple[int, float]], asked_at: Mapping[str, float]) -> int:
        """Take over the replicas among `living` (by the names of their specs); how many.

        `asked_at` says since when a gateway waits for the answer of one, by its id.
        """
        adopted = list(adoption.adopted(living, self._settings, self._wiring, self._journal))
        self._slots += adopted
        for slot in adopted:
            self._greet(slot, asked_at)
        places = {slot.place.spec.name for slot in self._slots if slot.place is not None}
        launch.remove_leftovers(self._settings, places)
        return len(adopted)

    def _greet(self, slot: Slot, asked_at: Mapping[str, float]) -> None:
        """Route to a replica that listens: it has served until now, even if it is busy."""
        assert slot.place is not None
        now = time.monotonic()
        slot.silence = Silence.told(now - asked_at.get(slot.place.replica_id, now))
        if slot.place.socket.exists():
            self._apply(slot, lifecycle.BecameReady())
        self._attend(slot)

    # --- deciding and performing ----------------------------------------------------------------

    def _apply(self, slot: Slot, event: lifecycle.Event) -> None:
        now = time.monotonic()
        told = versions.told_by(slot.life, event, now=now, own_fault=slot.own_fault)
        jitter = random.random()  # noqa: S311 - spreads starts, hides nothing
        slot.life, actions = lifecycle.decide(slot.life, event, now=now, jitter=jitter)
        for action in actions:
            self._perform(slot, action)
        given_up = self._standings[slot.number].hear(told) if told else None
        if given_up is not None:
            self._wiring.gave_up(slot.version, given_up)
        self._bell.ring()

    def _perform(self, slot: Slot, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.Spawn():
                self._do(slot, self._spawn(slot), "start")
            case lifecycle.StartAfter(seconds):
                loop = asyncio.get_running_loop()
                slot.timer = loop.call_later(seconds, self._apply, slot, lifecycle.StartDue())
            case lifecycle.Route():
                self._route(slot)
            case lifecycle.Rebalance():
                self.want(self._wanted)
            case lifecycle.Unroute():
                self._wiring.changed()
            case lifecycle.Drain():
                self._do(slot, self._drain(slot), "drain")
            case lifecycle.Kill():
                slot.kill()
            case lifecycle.Forget():
                self._forget(slot)
            case _:
                assert_never(action)

    def _route(self, slot: Slot) -> None:
        # One that was silent has a heart already.
        if not slot.beating:
            slot.beating = True
            manifest = slot.version.manifest
            self._launchers.warm(manifest.python, manifest.environment, for_later=True)
            self._do(slot, self._beat(slot), "heartbeat")
        self._wiring.changed()

    def _do(self, slot: Slot, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"{name} {slot.label}")
        slot.tasks.add(task)
        task.add_done_callback(slot.tasks.discard)

    async def _spawn(self, slot: Slot) -> None:
        slot.starts += 1
        slot.overdue = slot.beating = False
        slot.place = Place(self._settings, slot.number, secrets.token_hex(3))
        told = partial(self._not_started, slot)
        try:
            slot.process = await starting.start(slot, self._launchers, self._wiring, told)
        except OSError as error:
            told(error)
            self._apply(slot, lifecycle.Exited())
            return
        slot.channel = Channel(str(slot.place.socket))
        if slot.life.phase is Phase.STOPPING:
            slot.process.kill()
        self._attend(slot)

    def _not_started(self, slot: Slot, error: OSError, waits: bool = False) -> None:  # noqa: FBT001, FBT002
        failure = failures.not_started(error, slot.version.manifest.python)
        if waits:
            who = f"A replica of {slot.label} waits, and is tried every second"
            self._tell("replica-waits", slot, f"{who}. {failure.reason}")
        self._standings[slot.number].blame(failure)
        self._bell.ring()

    def _attend(self, slot: Slot) -> None:
        self._do(slot, self._until_exit(slot), "watch")
        if slot.life.phase is Phase.STARTING:
            self._do(slot, self._until_ready(slot), "bring up")

    async def _until_ready(self, slot: Slot) -> None:
        assert slot.place is not None
        assert slot.channel is not None
        try:
            async with asyncio.timeout(self._settings.start_seconds):
                while not slot.place.socket.exists():  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(_LOOK_SECONDS)
            slot.pulse = await slot.channel.pulse(_FIRST_PULSE_SECONDS)
        except OSError as error:
            if not isinstance(error, TimeoutError):
                # It has ended most likely, and its exit is about to tell how.
                await asyncio.sleep(_EXIT_SECONDS)
            lines = self.last_lines(slot.number)
            failure = failures.too_slow(self._settings.start_seconds, lines)
            self._standings[slot.number].blame(failure)
            slot.overdue = True
            self._apply(slot, lifecycle.TookTooLong())
            return
        if slot.starts > 1:
            self._tell("replica-ready", slot, f"{slot.label} is up again (pid {slot.pulse.pid}).")
        self._apply(slot, lifecycle.BecameReady())

    async def _until_exit(self, slot: Slot) -> None:
        assert slot.process is not None
        exit_ = await slot.process.exit()
        self._note_end(slot, exit_)
        if slot.place is not None:
            slot.place.remove()
        others = slot.tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if slot.channel is not None:
            slot.channel.close()
        slot.process = slot.channel = slot.pulse = None
        # What we have ended ourselves, nobody outside has.
        cause = lifecycle.Cause.ITSELF if slot.overdue else exit_.cause
        self._apply(slot, lifecycle.Exited(cause))

    def _note_end(self, slot: Slot, exit_: Exit) -> None:
        assert slot.process is not None
        slot.own_fault = exit_.own_fault and not slot.overdue
        standing, lines = self._standings[slot.number], self.last_lines(slot.number)
        if slot.life.phase is Phase.STARTING and slot.place is not None and not slot.overdue:
            report = launch.read_report(slot.place)
            failure = failures.ended(exit_, report, lines, slot.version.manifest.packages)
            if exit_.cause is lifecycle.Cause.KILLED:
                standing.suffer(failure)
                self._tell_end(slot, f"{exit_} while it loaded")
            else:
                standing.blame(failure)
        if slot.life.phase in (Phase.READY, Phase.EJECTED) and not slot.overdue:
            failure = failures.crashed(exit_, lines)
            (standing.blame if slot.own_fault else standing.suffer)(failure)
            self._tell_end(slot, f"{exit_}")

    def _tell_end(self, slot: Slot, how: str) -> None:
        assert slot.process is not None
        who = f"A replica of {slot.label} (pid {slot.process.pid})"
        self._tell("replica-ended", slot, f"{who} {how}; a new one starts.")

    async def _beat(self, slot: Slot) -> None:
        """Ask the replica through the queue that serves predictions, until it is gone."""
        assert slot.process is not None
        assert slot.channel is not None
        pace = self._paces.setdefault(slot.number, Pace())
        listener = Listener(partial(self._answered, slot), partial(self._silent, slot))
        longest = partial(self._wiring.longest, slot.version)
        before, slot.silence = slot.silence, None
        heart = Heart(slot.process.pid, slot.channel.pulse, pace, longest, listener)
        await heart.beat(self._rest, before)

    def _rest(self) -> float:
        return max(self._settings.heartbeat_seconds, len(self._slots) / _PULSES_PER_SECOND)

    def _answered(self, slot: Slot, pulse: Pulse) -> None:
        slot.pulse = pulse
        if slot.life.phase is Phase.EJECTED:
            what = f"A replica of {slot.label} (pid {pulse.pid}) answers again."
            self._tell("replica-answers", slot, what)
            self._apply(slot, lifecycle.AnsweredAgain())

    def _silent(self, slot: Slot, verdict: Verdict, why: str) -> None:
        if slot.process is None or slot.life.phase not in (Phase.READY, Phase.EJECTED):
            return
        who = f"A replica of {slot.label} (pid {slot.process.pid}) {why}"
        if verdict is Verdict.EJECT:
            if self._wiring.unproven(slot.number):
                # Nobody waits for it but the deploy that proves it, as long as its sample takes.
                return
            self._tell("replica-silent", slot, f"{who}; another one takes its place.")
            self._apply(slot, lifecycle.WentSilent())
            return
        slot.overdue = True
        self._tell("replica-hung", slot, f"{who} and is ended; another one takes its place.")
        self._apply(slot, lifecycle.WasHung())

    async def _drain(self, slot: Slot) -> None:
        assert slot.process is not None
        if self._wiring.unproven(slot.number):
            # Nobody has ever been routed to it.
            slot.process.kill()
            return
        if not self._stopping:
            await self._wiring.published()
            assert slot.channel is not None
            longest = slot.version.timeout_seconds
            await until_quiet(slot.channel, longest, self._settings.drain_seconds)
        await slot.process.end(_END_SECONDS)

    def _forget(self, slot: Slot) -> None:
        if slot.timer is not None:
            slot.timer.cancel()
        if slot.place is not None:
            slot.place.remove()
        self._slots.remove(slot)

    def last_lines(self, number: int) -> list[str]:
        """The last lines that replicas of a version have printed."""
        return logs.last_lines(self._settings.log_of(number), failures.LOG_LINES)

    def _tell(self, kind: happenings.Happening, slot: Slot, message: str) -> None:
        version = slot.version
        self._journal.add(kind, message, endpoint=version.endpoint, version=version.version)
