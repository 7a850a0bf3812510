"""How a command reaches the supervisor, and how it says who asks.

Rule: a command that changes something starts the supervisor if need be; one that looks does not,
because starting it starts every endpoint again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.core.manifest import Origin


def to_look() -> ControlClient:
    """A client of the supervisor that runs.  Raises SupervisorUnavailable."""
    from jupyter_deploy.client.discovery import connect

    return connect(start=False)


def to_change() -> ControlClient:
    """A client of the supervisor, which is started if need be.  Raises SupervisorUnavailable."""
    from jupyter_deploy.client.discovery import connect

    return connect()


def origin() -> Origin:
    """Who asks: the person who is logged in, from a shell, in this process."""
    from jupyter_deploy.client.person import system_user
    from jupyter_deploy.client.process_start import own_start
    from jupyter_deploy.core.manifest import Origin

    return Origin(user=system_user(), via="cli", pid=os.getpid(), pid_started=own_start())
