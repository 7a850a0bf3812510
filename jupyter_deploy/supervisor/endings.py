"""How deploys end: what is written of them, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from jupyter_deploy.client.models import DeployStatus
from jupyter_deploy.errors import DeployError, DeployFailed
from jupyter_deploy.supervisor.store import writing


@dataclass(frozen=True, slots=True)
class Loss:
    """A version that failed, and why."""

    number: int
    error: DeployError


@dataclass(frozen=True, slots=True)
class Ending:
    """How a deploy ended, to be written."""

    status: DeployStatus
    loss: Loss | None
    #: The registry in which something of the deploy may be left; empty: none.
    left_in: str = ""

    def write(self, connection: Connection) -> None:
        """One transaction."""
        writing.deploy_ended(connection, self.status)
        if self.left_in:
            writing.left(connection, self.status.deploy_id, self.status.name, self.left_in)
        if self.loss is not None:
            error = self.loss.error
            log = error.log if isinstance(error, DeployFailed) else ()
            reason = f"{error.detail} {error.fix}".rstrip()
            writing.fate(connection, self.loss.number, "failed", reason, log)
