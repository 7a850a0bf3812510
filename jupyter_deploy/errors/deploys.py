"""A step of a deploy failed, or a part of ours is not there.  What serves goes on serving."""

from __future__ import annotations

from typing import Any

from jupyter_deploy.errors.base import DeployError


class DeployFailed(DeployError, RuntimeError):
    """A step of a deploy failed.  What was serving goes on serving."""

    code, status, title = "deploy-failed", 422, "The deploy failed"
    step = ""
    log: tuple[str, ...] = ()

    def __init__(
        self, step: str, detail: str, fix: str = "", log: tuple[str, ...] | list[str] = ()
    ) -> None:
        super().__init__(detail, fix)
        self.step = step
        self.log = tuple(log)

    def extras(self) -> dict[str, Any]:
        """The step, and the last lines of the log of the process that failed."""
        return {"step": self.step, "log": list(self.log)}

    def restore(self, document: dict[str, Any]) -> None:
        """Take back the step and the log."""
        self.step = str(document.get("step", ""))
        self.log = tuple(str(line) for line in document.get("log", ()))

    def __str__(self) -> str:
        return f"{self.step}: {super().__str__()}" if self.step else super().__str__()

    def _render_traceback_(self) -> list[str]:
        lines = [f"{type(self).__name__} at step {self.step!r}: {self.detail}"]
        lines += [f"  | {line}" for line in self.log]
        return [*lines, self.fix] if self.fix else lines


class PackageFailed(DeployFailed):
    """The model cannot be written to the registry."""

    code, title = "package-failed", "The model cannot be packaged"


class NotReproduced(DeployFailed):
    """A fresh process does not give the notebook's answers."""

    code, title = "not-reproduced", "The served model answers differently"


class ReplicaFailed(DeployFailed):
    """A replica of the version cannot become ready."""

    code, title = "replica-failed", "The version cannot start"


class UpgradeFailed(DeployError, RuntimeError):
    """A process of the code that is installed now does not come up; the one before goes on."""

    code, status, title = "upgrade-failed", 500, "The upgrade failed"
    log: tuple[str, ...] = ()

    def __init__(self, what: str, why: str, log: tuple[str, ...] | list[str] = ()) -> None:
        super().__init__(
            f"The new {what} did not take over: {why}. The one before goes on.",
            "Mend what the log says, then run `jupyter endpoint upgrade` again.",
        )
        self.log = tuple(log)

    def extras(self) -> dict[str, Any]:
        """The last lines of the log of the process that failed."""
        return {"log": list(self.log)}

    def restore(self, document: dict[str, Any]) -> None:
        """Take back the log."""
        self.log = tuple(str(line) for line in document.get("log", ()))


class Unavailable(DeployError, OSError):
    """The supervisor, its state or the registry cannot be used now."""

    code, status, title = "unavailable", 503, "Not available now"


class SupervisorUnavailable(Unavailable):
    """The supervisor cannot be reached or started."""

    code, title = "supervisor-unavailable", "The supervisor cannot be reached"


class StateUnavailable(Unavailable):
    """The supervisor cannot write its state: no access, a full disk, a lock."""

    code, title = "state-unavailable", "The state cannot be written"

    def headers(self) -> list[tuple[str, str]]:
        """A lock has been waited for already, and room is made by a person."""
        return [("retry-after", "5")]


class RegistryUnavailable(Unavailable):
    """MLflow cannot be reached or written."""

    code, title = "registry-unavailable", "The model registry cannot be used"
