"""Replicas that an earlier supervisor has started: found again, and taken over as they are.

Rule: a living process that the state knows is never started again; one that it does not know ends,
and so does one that no gateway could connect to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jupyter_deploy.core.lifecycle import replica as lifecycle
from jupyter_deploy.supervisor import launch
from jupyter_deploy.supervisor.channel import Channel
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.processes import Process
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.slots import Slot, Wiring


def adopted(
    living: Mapping[str, tuple[int, float]], settings: Settings, wiring: Wiring, journal: Journal
) -> Iterator[Slot]:
    """The slots of those among `living`: pids and their starts, by the names of their specs."""
    for file, (pid, started) in living.items():
        place = launch.place_of(settings, file)
        process = None if place is None else Process.adopt(pid, started)
        if place is None or process is None:
            continue
        version = wiring.version(place.number)
        if version is None or place.cut_off:
            which = "of a version that the state does not know"
            which = which if version is None else "whose socket has been removed"
            journal.add("replica-unknown", f"A replica (pid {pid}) {which} is ended.")
            process.kill()
            continue
        slot = Slot(version, lifecycle.Replica(lifecycle.Phase.STARTING), place, process, starts=1)
        slot.channel = Channel(str(place.socket))
        yield slot
