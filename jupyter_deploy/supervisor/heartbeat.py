"""Heartbeats: asks one process again and again, and tells what its answers and silences mean.

Rule 1: a heartbeat travels the way of the work: a replica's in the queue that serves predictions, a
gateway's through the loop that serves callers.  Rule 2: `core.health` judges; this file only asks,
measures and tells.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from jupyter_deploy.client import process_state
from jupyter_deploy.core import health
from jupyter_deploy.core.health import Silence, Verdict
from jupyter_deploy.supervisor.channel import Channel
from jupyter_deploy.supervisor.ticks import tick

_log = logging.getLogger(__name__)

#: What a process answers.
_T = TypeVar("_T")

#: How often a silence is looked at.
_LOOK_SECONDS = 0.1
#: The process has ended most likely, and its exit is about to tell.
_EXIT_SECONDS = 0.1
#: A replica is idle when it has served nothing for as long as this after it was unrouted.
_QUIET_SECONDS = 0.25


@dataclass(slots=True)
class Pace:
    """How long a gateway, or the replicas of one version, take to answer, of late."""

    usual: float = 0.0


@dataclass(frozen=True, slots=True)
class Listener(Generic[_T]):
    """Whom a heart tells: of an answer; of a verdict on a silence, with the seconds and why."""

    answered: Callable[[_T], None]
    silent: Callable[[Verdict, str], None]


class Heart(Generic[_T]):
    """The heartbeats of the process `pid`; `ask` waits for an answer, or raises OSError.

    Nothing that it does takes longer than `timeout`.
    """

    def __init__(
        self, pid: int, ask: Callable[[], Coroutine[Any, Any, _T]], pace: Pace,
        timeout: Callable[[], float], listener: Listener[_T],
    ) -> None:  # fmt: skip
        self._pid = pid
        self._question = ask
        self._pace = pace
        self._timeout = timeout
        self._listener = listener

    async def beat(self, every: Callable[[], float], before: Silence | None = None) -> None:
        """Ask `every` so many seconds, until the process is to be killed or gone.

        With `before` it is asked at once: it has been silent for as long as that already.
        """
        goes_on = before is None or await self._ask(before)
        while goes_on:
            await tick(every(), self._pid)
            goes_on = await self._ask(Silence())

    async def _ask(self, before: Silence) -> bool:
        """Whether the process is to be asked again."""
        began = time.monotonic()
        question = asyncio.ensure_future(self._question())
        try:
            if not await self._patiently(question, before):
                return False
            self._listener.answered(question.result())
        except OSError as error:
            await asyncio.sleep(_EXIT_SECONDS)
            self._listener.silent(Verdict.KILL, f"cannot be reached ({error})")
            return False
        finally:
            question.cancel()
        took = before.waited + time.monotonic() - began
        self._pace.usual = health.usual_after(self._pace.usual, took)
        return True

    async def _patiently(self, question: asyncio.Future[_T], silence: Silence) -> bool:
        """Whether the answer came before the silence was too long."""
        if (await asyncio.wait([question], timeout=_LOOK_SECONDS))[0]:
            return True
        silence = silence.longer(_LOOK_SECONDS, planned=_LOOK_SECONDS, starved=0.0)
        ejected = False
        now, starved = time.monotonic(), process_state.starved_seconds(self._pid)
        while not (await asyncio.wait([question], timeout=_LOOK_SECONDS))[0]:
            before, starved_before = now, starved
            now, starved = time.monotonic(), process_state.starved_seconds(self._pid)
            silence = silence.longer(
                now - before, planned=_LOOK_SECONDS, starved=max(0.0, starved - starved_before)
            )
            stopped = process_state.is_stopped(self._pid)
            verdict = health.judge(
                silence, usual=self._pace.usual, timeout=self._timeout(), stopped=stopped
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
