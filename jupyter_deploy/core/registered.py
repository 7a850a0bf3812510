"""What a registry holds, for somebody who chooses from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegistryVersion:
    """One version of a registered model; `created_at` in seconds since the epoch."""

    version: str
    created_at: float
    aliases: tuple[str, ...] = ()
    deployed_as: str = ""


@dataclass(frozen=True)
class RegistryModel:
    """A registered model with its newest versions, newest first."""

    name: str
    versions: tuple[RegistryVersion, ...]
