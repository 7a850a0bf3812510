"""What happens around the processes: logs that grow, memory and connections that run out.

Rule: it looks once a second, says in one event that something has become scarce and in another that
it no longer is, and changes nothing but logs that are too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_deploy.client.memory import SHORT, Memory, memory
from jupyter_deploy.errors import Unavailable
from jupyter_deploy.supervisor import logs
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.out_of_memory import KILLS
from jupyter_deploy.supervisor.ticks import tick

#: What native code writes in between is all that a log can be too long, as replicas measure what
#: Python prints.
_LOOK_SECONDS = 1.0
#: Memory has been short until twice as much is free.
_ENOUGH = 2.0
#: Refused connections are told of once in so many looks.
_QUIET_LOOKS = 30


@dataclass(slots=True)
class Surroundings:
    """`run` looks; `turned_away` is how many connections the gateway has refused."""

    folder: Path
    journal: Journal
    turned_away: Callable[[], int]
    _short: bool = field(default=False, init=False)
    _told: int = field(default=0, init=False)
    _quiet: int = field(default=0, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await tick(_LOOK_SECONDS)
            KILLS.look()
            await asyncio.to_thread(logs.cap, self.folder)
            self._judge_memory(memory())
            self._count(self.turned_away())

    def _judge_memory(self, found: Memory | None) -> None:
        if found is None:
            return
        if found.short and not self._short:
            what = "large requests get 503 and nothing new is deployed until there is more."
            self.journal.add("memory-short", f"Only {found} is free: {what}")
            self._short = True
        elif self._short and found.part_free > _ENOUGH * SHORT:
            self.journal.add("memory-enough", f"There is memory again: {found} is free.")
            self._short = False

    def _count(self, turned_away: int) -> None:
        self._quiet = max(0, self._quiet - 1)
        # A gateway that has been started again counts from nothing.
        self._told = min(self._told, turned_away)
        if turned_away > self._told and not self._quiet:
            count = turned_away - self._told
            who = "1 new connection" if count == 1 else f"{count} new connections"
            why = "as many are open as the gateway may have; those are served."
            self.journal.add("connections-refused", f"{who} got 503: {why}")
            self._told, self._quiet = turned_away, _QUIET_LOOKS


def check_memory(found: Memory | None) -> None:
    """Raises Unavailable where a version more would have the kernel end a replica of another."""
    if found is not None and found.short:
        raise Unavailable(
            f"Only {found} is free, too little to start another version.",
            "Stop what is not needed, then run the command again. What serves goes on.",
        )
