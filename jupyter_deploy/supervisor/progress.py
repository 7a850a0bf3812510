"""How far a deploy is: its steps, for whoever waits for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from jupyter_deploy import failpoints
from jupyter_deploy.client.models import DeployStatus, StepStatus
from jupyter_deploy.supervisor.bell import Bell

#: The steps that the supervisor does, in order.
STEPS = ("prove", "start", "switch")
ENDED = ("done", "failed", "aborted")

Outcome = Literal["done", "failed", "aborted"]


class Progress:
    """The status of one deploy; `revision` grows with each change."""

    def __init__(self, deploy_id: str, name: str, version: str) -> None:
        waiting = tuple(StepStatus(step, "waiting") for step in STEPS)
        self.status = DeployStatus(deploy_id, name, version, "open", 0, waiting)
        self._bell = Bell()

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status.state in ENDED

    async def after(self, revision: int, wait: float) -> DeployStatus:
        """The status once its revision is above `revision`, or after `wait` seconds."""
        await self._bell.until(lambda: self.status.revision > revision or self.ended, wait)
        return self.status

    def runs(self) -> None:
        """The deploy has been submitted."""
        self._set(state="running")

    def not_compiled(self, why: str) -> None:
        """The compiled form is not served."""
        self._set(not_compiled=why)

    def ending(self, outcome: Outcome, problem: dict[str, Any] | None = None) -> DeployStatus:
        """The status for good, before anybody is told."""
        status = self.status
        return replace(status, revision=status.revision + 1, state=outcome, problem=problem)

    def ends(self, status: DeployStatus) -> None:
        """The deploy is over, with this status for good."""
        self.status = status
        self._bell.ring()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Do one step: it is running in the block, and done or failed after it.

        What the block puts into the list says, in words, what was done.
        """
        began, words = time.monotonic(), list[str]()
        self._step(StepStatus(name, "running"))
        try:
            failpoints.reach(f"{name} before")
            yield words
            failpoints.reach(f"{name} after")
        except BaseException:
            self._step(StepStatus(name, "failed", time.monotonic() - began))
            raise
        self._step(StepStatus(name, "done", time.monotonic() - began, "; ".join(words)))

    def _step(self, new: StepStatus) -> None:
        self._set(steps=tuple(new if one.name == new.name else one for one in self.status.steps))

    def _set(self, **changes: Any) -> None:
        self.status = replace(self.status, revision=self.status.revision + 1, **changes)
        self._bell.ring()
