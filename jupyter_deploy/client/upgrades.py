"""What the control API takes and says of an upgrade; see models.py."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_deploy.core.manifest import Origin


@dataclass(frozen=True)
class Upgrade:
    """Body of POST /api/upgrade and /api/hand-over."""

    origin: Origin


@dataclass(frozen=True)
class UpgradedPart:
    """A process that has taken over from one before, which has ended since.

    `part` is "supervisor" or "gateway"; a version is "" where it is not known.
    """

    part: str
    pid_before: int
    version_before: str
    pid: int
    version: str
    seconds: float


@dataclass(frozen=True)
class Upgraded:
    """What has been replaced, in this order."""

    parts: tuple[UpgradedPart, ...]
