"""What is thought of a version, and what last went wrong with it.

Rule: `core.lifecycle.version` decides; this file keeps its answer beside the words for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_deploy.core.lifecycle import version as versions
from jupyter_deploy.supervisor.failures import Failure


@dataclass(slots=True)
class Standing:
    """What is thought of one version, and why.

    `failure` is the last that went wrong; `faults` counts what ends a deploy that waits for it.
    """

    life: versions.Version = field(default_factory=versions.Version)
    failure: Failure | None = None
    faults: int = 0

    def suffer(self, failure: Failure) -> None:
        """Somebody outside has done this to it, and it may go better next time."""
        self.failure = failure

    def blame(self, failure: Failure) -> None:
        """This has gone wrong, and will again."""
        self.failure = failure
        self.faults += 1

    def hear(self, told: versions.Event) -> Failure | None:
        """Take in what a replica has told; why the version is given up, if it is now."""
        self.life, give_up = versions.decide(self.life, told)
        if not give_up:
            return None
        assert self.failure is not None, "nothing is given up for no reason"
        self.faults += 1
        return self.failure

    def trouble(self, ready_seconds: float | None) -> Failure | None:
        """Why it does not serve, or never for long; None where it does."""
        return self.failure if versions.is_failing(self.life, ready_seconds) else None

    def start_over(self) -> None:
        """Think nothing of it: it is not wanted any more, and may be again."""
        self.life = versions.Version()
