"""A change that cannot be made: what it names is not there, or somebody was first."""

from __future__ import annotations

from jupyter_deploy.errors.base import DeployError

#: More names than these are a number.
_NAMED = 8


class NotFound(DeployError, LookupError):
    """There is no such endpoint, version, key or deploy."""

    code, status, title = "not-found", 404, "Not found"

    def __init__(self, kind: str, name: str, known: list[str] | None = None) -> None:
        none = "" if known is None else "There are none yet."
        hint = f"Known: {_listed(known)}." if known else none
        super().__init__(f"There is no {kind} {name[:80]!r}.", hint)


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


class Conflict(DeployError):
    """Somebody or something was there first."""

    code, status, title = "conflict", 409, "In conflict with the present state"


class DeployInProgress(Conflict):
    """Another deploy of this endpoint is under way."""

    code, title = "deploy-in-progress", "Another deploy is under way"

    def __init__(self, name: str, holder: str, since: str) -> None:
        super().__init__(
            f"{holder} is deploying {name!r} since {since}.",
            "Wait until it has ended, then run the command again.",
        )


class VersionExists(Conflict):
    """The version has been deployed already; versions never change."""

    code, title = "version-exists", "The version exists"

    def __init__(self, name: str, version: str, following: str) -> None:
        super().__init__(
            f"{name} {version} exists, and a version never changes.",
            f"Leave --version out, or take {following} or higher.",
        )


class StaleGeneration(Conflict):
    """The change was made against an older state of the endpoint."""

    code, title = "stale-generation", "The endpoint has changed since"

    def __init__(self, name: str, expected: int, actual: int) -> None:
        super().__init__(
            f"{name!r} has changed since (generation {actual}, yours is {expected}).",
            "Look at it again, and repeat the change if you still want it.",
        )


class NothingToRollBackTo(Conflict):
    """There is no earlier version to go back to."""

    code, title = "nothing-to-roll-back-to", "There is no version to go back to"

    def __init__(self, name: str, last: str | None = None) -> None:
        """`last`: no version is active, and that is the one that was, or that came last."""
        if last is None:
            said = f"{name!r} has no version before the active one."
            fix = "Name one with --to, or deploy a second version first."
        else:
            said = f"No version of {name!r} is active."
            fix = f"Give the traffic to {last} with --to {last}, or to another version."
        super().__init__(said, fix)
