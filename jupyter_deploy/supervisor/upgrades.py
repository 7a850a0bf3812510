"""Upgrades: processes of the code that is installed now take over, and nobody who calls notices.

Rule 1: gateways are replaced one after the other; the supervisor itself hands over to one that has
been started beside it, and leaves all that runs to it.  Rule 2: a replica keeps the code that it
was started with; the next one of its version has the new.
"""

from __future__ import annotations

import os

from jupyter_deploy import __version__
from jupyter_deploy.client.models import AuditEntry
from jupyter_deploy.client.upgrades import Upgraded, UpgradedPart
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.errors import UpgradeFailed
from jupyter_deploy.supervisor import holders
from jupyter_deploy.supervisor.parts import Parts, audit_entry
from jupyter_deploy.supervisor.store import writing


class Upgrades:
    """What replaces processes by others of the present code."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def gateways(self, origin: Origin) -> Upgraded:
        """Replace every gateway.  Raises UpgradeFailed; the one before goes on."""
        upgraded: list[UpgradedPart] = []
        try:
            async for part in self._parts.gateways.upgrade():
                upgraded.append(part)
                self._parts.journal.add("upgraded", _sentence(part))
        except UpgradeFailed as error:
            self._parts.journal.add("upgrade-failed", error.detail)
            raise
        what = f"{len(upgraded)} gateway{'s' * (len(upgraded) > 1)} to {upgraded[-1].version}"
        await self._audit(what, origin)
        return Upgraded(tuple(upgraded))

    async def hand_over(self, origin: Origin) -> None:
        """Note that this supervisor leaves.  Raises DeployInProgress while a deploy runs."""
        for deploy in self._parts.state.deploys:
            if deploy.state == "running":
                raise holders.in_progress(deploy)
        await self._audit(f"the supervisor ({__version__}, pid {os.getpid()}) by another", origin)
        what = f"{origin.user} ({origin.via}) has the supervisor (pid {os.getpid()}) replaced."
        self._parts.journal.add("handed-over", f"{what} What it keeps goes on.")

    def note_failure(self, successor: int) -> None:
        """Note that the supervisor that was to take over (a pid) has died, and this one is back."""
        what = f"The supervisor that was to take over (pid {successor}) has died; "
        what += f"the one before (pid {os.getpid()}) goes on."
        self._parts.journal.add("upgrade-failed", what)

    async def _audit(self, detail: str, origin: Origin) -> None:
        entry: AuditEntry = audit_entry("", 0, "upgraded", detail, origin)
        await self._parts.store.change(lambda connection: writing.audit(connection, entry))


def _sentence(part: UpgradedPart) -> str:
    before = f"{part.version_before or 'an earlier version'}, pid {part.pid_before}"
    return (
        f"The gateway ({before}) has handed over to {part.version} (pid {part.pid}) "
        f"in {part.seconds:.1f} s."
    )
