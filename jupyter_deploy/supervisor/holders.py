"""Who holds an endpoint for a deploy, and whether that process still lives."""

from __future__ import annotations

import time

from jupyter_deploy.client.process_start import lives, started_at
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.errors import DeployInProgress
from jupyter_deploy.supervisor.state import Deploy

#: A holder that did not say which process it is may keep an endpoint for so long.
_UNKNOWN_SECONDS = 3600.0


def alive(deploy: Deploy, now: float) -> bool:
    """Whether whoever began this deploy can still submit it."""
    if deploy.origin.pid <= 0:
        return now - deploy.since < _UNKNOWN_SECONDS
    if deploy.origin.pid_started <= 0:
        return started_at(deploy.origin.pid) is not None
    return lives(deploy.origin.pid, deploy.origin.pid_started)


def in_progress(deploy: Deploy) -> DeployInProgress:
    """The error that says who holds the endpoint and since when."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(deploy.since))
    return DeployInProgress(deploy.endpoint, described(deploy.origin), since)


def described(origin: Origin) -> str:
    """Who, in words: user, notebook or command, and process."""
    place = f"notebook {origin.notebook}" if origin.notebook else origin.via
    process = f", process {origin.pid}" if origin.pid > 0 else ""
    return f"{origin.user} ({place}{process})"
