"""The version that a deploy makes.  Pure but for the time."""

from __future__ import annotations

import time

from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.core.scaling import Range
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import Deploy, State, Version


def new_version(state: State, settings: Settings, deploy: Deploy, manifest: Manifest) -> Version:
    """A version without a number; what the deploy does not say is as in the one before."""
    options = deploy.options
    before = state.versions_of(deploy.endpoint)
    previous = next((one for one in before if one.version == deploy.previous), None)
    limits = Range(settings.replicas, settings.replicas) if previous is None else previous.range
    if options.replicas is not None:
        limits = Range(options.replicas, options.most_replicas or options.replicas)
    seconds = settings.timeout_seconds if previous is None else previous.timeout_seconds
    return Version(
        number=0,
        endpoint=deploy.endpoint,
        version=deploy.version,
        fate="starting",
        why=deploy.why,
        reason="",
        log=(),
        created_at=time.time(),
        origin=deploy.origin,
        previous=deploy.previous,
        replicas=limits.least,
        most_replicas=limits.most if limits.scales else None,
        timeout_seconds=seconds if options.timeout_seconds is None else options.timeout_seconds,
        manifest=manifest,
    )
