"""The place of one replica, and what replicas tell the rest of the supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from jupyter_deploy.client.models import ReplicaStatus
from jupyter_deploy.core.health import Silence
from jupyter_deploy.core.lifecycle import replica as lifecycle
from jupyter_deploy.supervisor.channel import SAMPLE_SECONDS, Channel, Pulse
from jupyter_deploy.supervisor.failures import Failure
from jupyter_deploy.supervisor.launch import Place
from jupyter_deploy.supervisor.processes import Process
from jupyter_deploy.supervisor.state import Version


@dataclass(eq=False, slots=True)
class Slot:
    """The place of one replica, and the process that fills it now."""

    version: Version
    life: lifecycle.Replica = field(default_factory=lifecycle.Replica)
    place: Place | None = None
    process: Process | None = None
    channel: Channel | None = None
    pulse: Pulse | None = None
    #: How long it had been silent when it was taken over from another supervisor.
    silence: Silence | None = None
    starts: int = 0
    #: We have decided its end ourselves, and said so.
    overdue: bool = False
    beating: bool = False
    #: Nobody outside has caused its last end.
    own_fault: bool = False
    timer: asyncio.TimerHandle | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def number(self) -> int:
        """The number of its version."""
        return self.version.number

    def kill(self) -> None:
        """End its process; one that is only just being started is ended when it has been."""
        if self.process is not None:
            self.process.kill()

    @property
    def label(self) -> str:
        """Its version, for a person."""
        return f"{self.version.endpoint} {self.version.version}"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What replicas tell the rest of the supervisor.

    `version` finds a version by its number; `files` returns when its files are those that were
    deployed (or raises OSError); `changed` says that routes have changed; `published` returns once
    the gateway routes by them; `gave_up` is called when a version failed too often.
    """

    version: Callable[[int], Version | None]
    files: Callable[[int], Awaitable[None]]
    changed: Callable[[], None]
    published: Callable[[], Awaitable[object]]
    gave_up: Callable[[Version, Failure], None]

    def unproven(self, number: int) -> bool:
        """Whether nobody but the deploy that proves it has ever asked a version."""
        version = self.version(number)
        return version is None or version.fate == "starting"

    def longest(self, version: Version) -> float:
        """How long a call of a version may take: the sample of its deploy takes what it needs."""
        least = SAMPLE_SECONDS if self.unproven(version.number) else 0.0
        return max(least, version.timeout_seconds)


def ready_seconds(slots: Iterable[Slot], now: float) -> float | None:
    """How long the one that has been ready for longest has been; None when none is."""
    since = [slot.life.ready_since for slot in slots if slot.life.ready_since is not None]
    return now - min(since) if since else None


def status_of(slot: Slot) -> ReplicaStatus:
    """One replica, for a person."""
    return ReplicaStatus(
        replica_id="" if slot.place is None else slot.place.replica_id,
        pid=None if slot.process is None else slot.process.pid,
        state=slot.life.phase.value,
        restarts=max(0, slot.starts - 1),
        rss_bytes=None if slot.pulse is None else slot.pulse.rss_bytes,
    )
