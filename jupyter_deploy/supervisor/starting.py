"""Starting the process of a replica: from whole files, as soon as the machine has room for it.

Rule: what says nothing about the version (a full disk, no more processes) is waited out, and is no
reason to give the version up; whoever waits for the replica is told meanwhile, and everybody once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_deploy.core.lifecycle.replica import Phase
from jupyter_deploy.supervisor import launch
from jupyter_deploy.supervisor.failures import FilesLost
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.processes import Process
from jupyter_deploy.supervisor.slots import Slot, Wiring

_RETRY_SECONDS = 1.0


async def start(
    slot: Slot, launchers: Launchers, wiring: Wiring, told: Callable[[OSError, bool], None]
) -> Process:
    """The process of `slot`; `told` gets what is waited out, and whether that is the first time.

    Raises OSError when the version cannot be started, or the slot is not wanted any more.
    """
    first = True
    while True:
        try:
            await wiring.files(slot.number)
            return await _start(slot, launchers)
        except OSError as error:
            if _of_the_version(error) or slot.life.phase is not Phase.STARTING:
                raise
            told(error, first)
        first = False
        await asyncio.sleep(_RETRY_SECONDS)


async def _start(slot: Slot, launchers: Launchers) -> Process:
    assert slot.place is not None
    pools = launch.pool_sizes(launch.cores(), slot.version.range.most)
    try:
        order = launch.prepare(slot.place, slot.version)
        return await launchers.start(order, pools)
    except OSError:
        slot.place.remove()
        raise


def _of_the_version(error: OSError) -> bool:
    return isinstance(error, FilesLost | FileNotFoundError | PermissionError)
