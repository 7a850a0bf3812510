"""Heartbeats: asks one replica again and again, and tells what its answers and silences mean.

Rule 1: a heartbeat travels the queue that serves predictions.  Rule 2: `core.health` judges; this
file only asks, measures and tells.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_deploy.core import health
from jupyter_deploy.core.health import Silence, Verdict
from jupyter_deploy.supervisor import running
from jupyter_deploy.supervisor.channel import Channel, Pulse

_log = logging.getLogger(__name__)

#: How often a silence is looked at.
_LOOK_SECONDS = 0.1
#: The process has ended most likely, and its exit is about to tell.
_EXIT_SECONDS = 0.1
#: A replica is idle when it has served nothing for as long as this after it was unrouted.
_QUIET_SECONDS = 0.25


@dataclass(slots=True)
class Pace:
    """How long the replicas of one version take to answer, of late."""

    usual: float = 0.0


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom a heart tells: of an answer; of a verdict on a silence, with the seconds and why."""

    answered: Callable[[Pulse], None]
    silent: Callable[[Verdict, str], None]


class Heart:
    """The heartbeats of the replica `pid` that listens on `channel`."""

    def __init__(
        self, pid: int, channel: Channel, pace: Pace, timeout: float, listener: Listener
    ) -> None:
        self._pid = pid
        self._channel = channel
        self._pace = pace
        self._timeout = timeout
        self._listener = listener

    async def beat(self, every: Callable[[], float]) -> None:
        """Ask `every` so many seconds, until the replica is to be killed or gone."""
        while True:
            await asyncio.sleep(every())
            if not await self._ask():
                return

    async def _ask(self) -> bool:
        """Whether the replica is to be asked again."""
        began = time.monotonic()
        # The silence ends the question; its own deadline is only there so that there is one.
        question = asyncio.ensure_future(self._channel.pulse(3600.0))
        try:
            if not await self._patiently(question):
                return False
            self._listener.answered(question.result())
        except OSError as error:
            await asyncio.sleep(_EXIT_SECONDS)
            self._listener.silent(Verdict.KILL, f"cannot be reached ({error})")
            return False
        finally:
            question.cancel()
        self._pace.usual = health.usual_after(self._pace.usual, time.monotonic() - began)
        return True

    async def _patiently(self, question: asyncio.Future[Pulse]) -> bool:
        """Whether the answer came before the silence was too long."""
        if (await asyncio.wait([question], timeout=_LOOK_SECONDS))[0]:
            return True
        silence, ejected = Silence(_LOOK_SECONDS, _LOOK_SECONDS), False
        now, starved = time.monotonic(), running.starved_seconds(self._pid)
        while not (await asyncio.wait([question], timeout=_LOOK_SECONDS))[0]:
            before, starved_before = now, starved
            now, starved = time.monotonic(), running.starved_seconds(self._pid)
            silence = silence.longer(
                now - before, planned=_LOOK_SECONDS, starved=max(0.0, starved - starved_before)
            )
            stopped = running.is_stopped(self._pid)
            verdict = health.judge(
                silence, usual=self._pace.usual, timeout=self._timeout, stopped=stopped
            )
            if verdict is Verdict.KILL or (verdict is Verdict.EJECT and not ejected):
                ejected = True
                why = "is stopped" if stopped else f"has been silent for {silence.waited:.1f} s"
                self._listener.silent(verdict, why)
            if verdict is Verdict.KILL:
                return False
        return True


async def until_quiet(channel: Channel, longest: float, drain: float) -> None:
    """Return once nothing has been served between two heartbeats, so nothing is in flight.

    `longest` is what one answer may take; after `drain` seconds more it returns all the same.
    """
    served = -1
    try:
        async with asyncio.timeout(longest + drain):
            while (pulse := await channel.pulse(longest)).served != served:
                served = pulse.served
                await asyncio.sleep(_QUIET_SECONDS)
    except OSError as error:
        _log.info("the replica at %s is stopped busy: %s", channel.socket, error)
