"""How others find this supervisor: its file, its control socket, and its lock.

Rule 1: what somebody has removed is put back within seconds.  A cleaner of temporary folders takes
a socket that nobody has touched for days, and a person who tidies up takes the file; without
either, nothing could be changed any more, and no other supervisor could start as long as this one
runs.  Rule 2: where another one has come in, as the lock's file was removed, this one goes: two
would replace each other's processes.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.client import paths
from jupyter_deploy.client.identity import Supervisor as Identity
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.supervisor.succession import Lock
from jupyter_deploy.supervisor.ticks import tick

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Presence:
    """What `identity` says stands in `file`; `listen` serves on a socket.

    `lock` is ours; `lost` is called once it is another's.
    """

    identity: Identity
    file: Path
    listen: Callable[[socket.socket], Awaitable[None]]
    lock: Lock
    lost: Callable[[], None]

    async def run(self) -> None:
        """Look until cancelled, or until another process has the lock."""
        while True:
            await tick(_LOOK_SECONDS)
            with contextlib.suppress(OSError, StateUnavailable):
                if not self.lock.keep():
                    self.lost()
                    return
                await self.put_back()

    async def put_back(self) -> None:
        """Make what is missing anew.  Raises OSError or StateUnavailable where that cannot be."""
        if (listener := self._missing_socket()) is not None:
            await self.listen(listener)
            _log.warning("the control socket was removed; there is another one")
        self._put_back_file()

    def _missing_socket(self) -> socket.socket | None:
        place = Path(self.identity.socket)
        if place.exists():
            return None
        paths.private_folder(place.parent)
        return control_socket(place)

    def _put_back_file(self) -> None:
        if Identity.read(self.file) != self.identity:
            self.identity.write(self.file)
            _log.warning("%s did not name this supervisor, and does again", self.file)


def control_socket(place: Path) -> socket.socket:
    """A new listening socket at `place`, which only we can open."""
    # The lock is ours, so a socket that is there was left by one that has died.
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place))
    place.chmod(0o600)
    return listener
