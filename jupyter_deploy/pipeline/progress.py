"""The steps of a deploy, the kernel's and the supervisor's, as one list.

Rule: the listener gets the whole list at each change, never a part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from jupyter_deploy import failpoints
from jupyter_deploy.client.models import StepStatus

KERNEL_STEPS = ("contract", "package", "register")
SUPERVISOR_STEPS = ("prove", "start", "switch")

Listener = Callable[[list[StepStatus]], None]


class Progress:
    """The list of steps; `clock` is monotonic, in seconds."""

    def __init__(self, listener: Listener, clock: Callable[[], float]) -> None:
        self._listener = listener
        self._clock = clock
        names = (*KERNEL_STEPS, *SUPERVISOR_STEPS)
        self._steps = {name: StepStatus(name, "waiting") for name in names}

    @property
    def steps(self) -> tuple[StepStatus, ...]:
        """All steps, in order."""
        return tuple(self._steps.values())

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Callable[[str], None]]:
        """One step of the kernel's: it is timed, and failed when it raises.

        What it yields sets the detail that is shown with it.
        """
        started = self._clock()
        details = [""]

        def say(text: str) -> None:
            failpoints.reach(f"{name} in")
            details[0] = text

        self._set(StepStatus(name, "running"))
        try:
            failpoints.reach(f"{name} before")
            yield say
            failpoints.reach(f"{name} after")
        except BaseException:
            self._set(StepStatus(name, "failed", self._clock() - started, details[0]))
            raise
        self._set(StepStatus(name, "done", self._clock() - started, details[0]))

    def take_over(self, steps: Iterable[StepStatus]) -> None:
        """The supervisor's steps, as it tells them; the kernel's own stay."""
        for step in steps:
            if step.name not in KERNEL_STEPS:
                self._steps[step.name] = replace(step)
        self._listener(list(self._steps.values()))

    def _set(self, step: StepStatus) -> None:
        self._steps[step.name] = step
        self._listener(list(self._steps.values()))
