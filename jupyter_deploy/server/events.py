"""Telling browsers that something has changed, through Jupyter's event stream.

Rule 1: an event says which endpoint to look at again, and nothing of what happened.  Rule 2: the
supervisor is asked by a long poll, so that a change is told at once and quiet costs nothing.
Rule 3: no failure of this task reaches the server.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NewType

from jupyter_deploy.server.forward import Forwarder

SCHEMA = "https://schema.jupyter.org/jupyter-deploy/change/v1"
SCHEMA_FILE = Path(__file__).with_name("change.yaml")
#: How long the supervisor keeps a question open.
WAIT_SECONDS = 25.0
#: How often to look for a supervisor that is not there: one read of a small file.
ABSENT_SECONDS = 1.0

Number = NewType("Number", int)


@dataclass(frozen=True, slots=True)
class Heard:
    """How far the supervisor's events are known; `number` is None while no supervisor is."""

    number: Number | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a browser is told."""

    kind: str
    endpoint: str = ""


def listen(heard: Heard, events: list[dict[str, Any]] | None) -> tuple[Heard, list[Change]]:
    """What is known and what to tell after an answer; `events` is None when there was none.

    The events of before a supervisor was found are told as one change.
    """
    if events is None:
        lost = [] if heard.number is None else [Change("supervisor-lost")]
        return Heard(), lost
    last = Number(max((int(event["number"]) for event in events), default=heard.number or 0))
    if heard.number is None:
        return Heard(last), [Change("supervisor-found")]
    told = dict.fromkeys(Change(str(one["kind"]), str(one["endpoint"])) for one in events)
    return Heard(last), list(told)


@dataclass
class Herald:
    """A task that asks the supervisor for events and emits a change for each."""

    forwarder: Forwarder
    emit: Callable[[Change], None]
    log: logging.Logger
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to listen; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="herald")

    async def end(self) -> None:
        """Stop listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        heard = Heard()
        while True:
            try:
                events = await self._ask(heard)
                heard, changes = listen(heard, events)
                for change in changes:
                    self.emit(change)
            except Exception:
                self.log.exception("jupyter_deploy: events could not be told")
                heard, events = Heard(), None
            if events is None:
                await asyncio.sleep(ABSENT_SECONDS)

    async def _ask(self, heard: Heard) -> list[dict[str, Any]] | None:
        # The first answer says where the events stand, without waiting for the next one.
        wait = 0.0 if heard.number is None else WAIT_SECONDS
        query = {"after": str(heard.number or 0), "wait": f"{wait:g}"}
        answer = await self.forwarder.send("GET", "events", query, b"")
        if answer.status != 200:
            return None
        events: list[dict[str, Any]] = json.loads(answer.body)
        return events
