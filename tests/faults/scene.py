"""The endpoint that faults strike: two replicas of a model whose answers can be checked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jupyter_deploy.client.discovery import connect, running
from jupyter_deploy.client.models import Event
from jupyter_deploy.errors import SupervisorUnavailable
from tests.faults.slowness import slowness, wait_scaled
from tests.process.stack import ROWS, Stack, ended
from tests.support import wait_until

NAME = "churn"
REPLICAS = 2
#: How often `--all` repeats a fault.
REPETITIONS = 10
#: How long a request may take: long enough for a busy machine, short enough for a test.
TIMEOUT_SECONDS = 10.0

#: What the second number of a row makes the model do; 0 is an ordinary request.
DIES, STEALS_MEMORY, NEVER_YIELDS, SLEEPS, PRINTS, WRITES = -1.0, -2.0, -3.0, -4.0, -5.0, -6.0
COMPUTES = -7.0


def faulty(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """The sum of each row, times `factor`; a row may ask for trouble instead."""

    def model(x):
        asked = set(x[:, 1].tolist())
        if -1.0 in asked:
            import os

            os.abort()
        if -2.0 in asked:
            # More than a test allows, less than a machine has.
            hoard = [bytearray(b"x" * (1 << 24)) for _ in range(64)]
            del hoard
        if asked & {-5.0, -6.0}:
            import os

            line = "x" * 999
            for _ in range(int(x[x[:, 1] <= -5.0][0, 0]) * 1000):
                if -5.0 in asked:
                    print(line)
                else:
                    os.write(1, f"{line}\n".encode())
            print("the last line")
        if asked & {-3.0, -4.0, -7.0}:
            import time

            clock = time.thread_time if -7.0 in asked else time.monotonic
            ends = clock() + float(x[x[:, 1] <= -3.0][0, 0])
            while clock() < ends:
                if -4.0 in asked:
                    time.sleep(0.01)
        return x.sum(axis=1) * factor

    return model


@dataclass
class Scene:
    """One endpoint in one stack.  `slowness` is that of the machine, measured before each test."""

    one: Stack
    peak: float = 0.0
    slowness: float = 1.0
    #: How long the last deploy took: more than a replica takes to load.
    load_seconds: float = 0.0
    #: How long a gateway takes to start where nothing else is going on.
    gateway_start_seconds: float = 0.0
    factors: set[float] = field(default_factory=set)
    #: Kept: the supervisor that could be asked may be the one that is dead.
    url: str = ""
    key: str = field(default="", repr=False)

    def deploy(self, factor: float, **options: object) -> str:
        """A version that multiplies by `factor`, with two replicas; its number."""
        how = {"replicas": REPLICAS, "timeout_seconds": TIMEOUT_SECONDS} | options
        ticket = self.one.begin(NAME, **how)
        self.factors.add(factor)
        began = time.monotonic()
        expected = ROWS.sum(axis=1) * factor
        self.one.submit(ticket, self.one.fill(ticket, faulty(factor), expected=expected))
        self.load_seconds = time.monotonic() - began
        self.url, self.key = self.one.endpoint(NAME).url, self.one.key(NAME)
        return ticket.version

    def time_a_gateway(self) -> None:
        """How long a killed gateway takes to answer again when nobody calls."""
        victim, began = self.gateway, time.monotonic()
        kill(victim)
        assert self.one.call(NAME).status_code == 200
        self.gateway_start_seconds = time.monotonic() - began

    # --- looking --------------------------------------------------------------------------------

    @property
    def active(self) -> str:
        active = self.one.endpoint(NAME).active
        assert active is not None
        return active

    @property
    def replicas(self) -> list[int]:
        """The pids of the ready replicas of the active version."""
        return self.one.replica_pids(NAME, self.active)

    @property
    def loading(self) -> list[int]:
        """The pids of the replicas of the active version that are not ready yet."""
        replicas = self.one.version(NAME, self.active).replicas
        return [one.pid for one in replicas if one.state == "starting" and one.pid is not None]

    @property
    def gateway(self) -> int:
        return self.one.client.status().gateway.pids[0]

    def whole(self, seconds: float = 30.0) -> list[int]:
        """Two replicas are ready and a gateway runs, within `seconds` of an idle machine."""
        self.find_supervisor(seconds)
        wait_scaled(lambda: self.one.client.status().gateway.pids, seconds, self.slowness)

        def ready() -> list[int] | None:
            pids = self.replicas
            return pids if len(pids) == REPLICAS else None

        return wait_scaled(ready, seconds, self.slowness)

    def serves_without(self, victims: Collection[int], seconds: float = 60.0) -> float:
        """When a replica is ready that is none of `victims`: in `seconds` of an idle machine."""
        wait_scaled(lambda: set(self.replicas) - set(victims), seconds, self.slowness)
        return time.monotonic()

    def events(self, after: int) -> list[Event]:
        return self.one.client.events(after=after)

    def last_event(self) -> int:
        return max((event.number for event in self.one.client.events()), default=0)

    def until_event(self, kind: str, after: int, seconds: float = 30.0) -> Event:
        """The first event of a kind since `after`."""
        return wait_scaled(
            lambda: next((e for e in self.events(after) if e.kind == kind), None),
            seconds,
            self.slowness,
        )

    # --- faults ---------------------------------------------------------------------------------

    def find_supervisor(self, seconds: float = 30.0) -> None:
        """The living supervisor; one is started when there is none."""
        if running() is None:
            self.one.client.close()
            try:
                self.one.client = connect()
            except SupervisorUnavailable:
                # On a busy machine it may take longer than a command waits.
                self.one.client = wait_scaled(running, seconds, self.slowness)

    def scaled(self, seconds: float) -> float:
        """A promised deadline, on this machine as it is now."""
        return seconds * self.slowness

    def in_time(self, took: float, seconds: float) -> bool:
        """Whether what `took` so long kept a promised deadline, on this machine as it is now."""
        return took < self.scaled(seconds) or took < seconds * slowness()


def kill(*pids: int) -> None:
    """kill -9, all at once; returns when they are gone."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(map(ended, pids)))


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """What a process has used of a processor, or those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    first = 13 if children else 11
    return sum(map(int, fields[first : first + 2])) / os.sysconf("SC_CLK_TCK")
