"""Faults that can strike at any moment, one after the other, and the requests that each may cost.

A deadly row is the same one each time: different ones would be taken for the version's own fault.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from jupyter_deploy.gateway.protocol import RESERVED_FILES
from tests.faults import groups
from tests.faults.callers import ping, vanish
from tests.faults.clock import Clock
from tests.faults.load import Load, Sent
from tests.faults.scene import DIES, PRINTS, STEALS_MEMORY, TIMEOUT_SECONDS, Scene, kill
from tests.process.stack import ended
from tests.support import wait_until

HOUR, YEAR = 3600, 366 * 24 * 3600


@dataclass
class Strikes:
    """`scene` under `load`, with a clock that can be moved where there is one."""

    scene: Scene
    load: Load
    chance: random.Random
    clock: Clock | None

    @property
    def kinds(self) -> list[Callable[[], list[Sent]]]:
        more = [] if self.clock is None else [self.clock_jumps]
        if groups.can_be_made():
            more.append(self.out_of_memory)
        return [
            self.replica_killed, self.all_replicas_killed, self.replica_stopped,
            self.gateway_killed, self.gateway_stopped, self.supervisor_killed,
            self.supervisor_and_replica_killed, self.request_kills, self.endless_print,
            self.callers_vanish, self.no_more_files, self.no_free_processor, *more,
        ]  # fmt: skip

    def replica_killed(self) -> list[Sent]:
        kill(self.chance.choice(self.scene.replicas))
        return []

    def all_replicas_killed(self) -> list[Sent]:
        """Where none is back before a request's time is over, its caller is told to come again."""
        victims, began = self.scene.replicas, time.monotonic()
        kill(*victims)
        back = self.scene.serves_without(victims)
        return self.load.ledger.in_vain(began, back, TIMEOUT_SECONDS)

    def replica_stopped(self) -> list[Sent]:
        os.kill(self.chance.choice(self.scene.replicas), signal.SIGSTOP)
        return []

    def gateway_killed(self) -> list[Sent]:
        began = time.monotonic()
        kill(self.scene.gateway)
        return self.load.ledger.in_flight(began, time.monotonic())

    def gateway_stopped(self) -> list[Sent]:
        """Until it has been noticed: a supervisor that dies before would take its callers along."""
        began, victim = time.monotonic(), self.scene.gateway
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: ended(victim), self.scene.scaled(30))
        return self.load.ledger.in_flight(began, time.monotonic())

    def supervisor_killed(self) -> list[Sent]:
        kill(self.scene.one.supervisor_pid())
        return []

    def supervisor_and_replica_killed(self) -> list[Sent]:
        kill(self.scene.one.supervisor_pid(), self.chance.choice(self.scene.replicas))
        return []

    def request_kills(self) -> list[Sent]:
        return [self.load.ask([1.0, DIES]).result(60)]

    def out_of_memory(self) -> list[Sent]:
        with groups.control_group(300_000_000) as group:
            group.add(*self.scene.replicas)
            return [self.load.ask([1.0, STEALS_MEMORY]).result(60)]

    def endless_print(self) -> list[Sent]:
        self.load.ask([100.0, PRINTS]).result(60)
        return []

    def callers_vanish(self) -> list[Sent]:
        for _ in range(100):
            vanish(self.scene.url, self.scene.key, self.chance)
        return []

    def no_more_files(self) -> list[Sent]:
        gateway = self.scene.gateway
        before = resource.prlimit(gateway, resource.RLIMIT_NOFILE)
        most = psutil.Process(gateway).num_fds() + RESERVED_FILES
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, (most, before[1]))
        try:
            with contextlib.ExitStack() as crowd:
                assert 503 in [ping(self.scene.url, crowd) for _ in range(50)]
                self.load.after(20)
        finally:
            resource.prlimit(gateway, resource.RLIMIT_NOFILE, before)
        return []

    def no_free_processor(self) -> list[Sent]:
        with contextlib.ExitStack() as busy:
            for _ in range(4):
                hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                busy.callback(hog.wait)
                busy.callback(hog.kill)
            self.load.after(50)
        return []

    def clock_jumps(self) -> list[Sent]:
        assert self.clock is not None
        self.clock.move(self.chance.choice([0, HOUR, -HOUR, YEAR]))
        return []
