"""Which number a new version gets, and why.  Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jupyter_deploy.client.models import BeginDeploy, DeployOptions
from jupyter_deploy.core.contract import incompatibilities
from jupyter_deploy.core.scaling import Range
from jupyter_deploy.core.versions import Bump, check_version, next_version
from jupyter_deploy.errors import UsageError
from jupyter_deploy.supervisor.state import State, Version

_LONGEST_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True)
class Numbered:
    """The number, why it is this one, and what an older caller would notice."""

    version: str
    why: str
    breaking: tuple[str, ...]
    previous: Version | None


def number(state: State, name: str, begin: BeginDeploy) -> Numbered:
    """The number of the version that `begin` asks for.  Raises UsageError or VersionExists."""
    check_options(begin.options)
    previous = state.newest_good(name)
    known = [one.version for one in state.versions_of(name)]
    failed = [one.version for one in state.versions_of(name) if one.fate == "failed"]
    breaking: tuple[str, ...] = ()
    kept = "same contract"
    if previous is not None:
        before, after = previous.manifest.contract, begin.contract
        breaking = tuple(incompatibilities(before, after))
        if incompatibilities(after, before):
            kept = "compatible contract"
    if begin.options.version is not None:
        version = check_version(name, begin.options.version, known, failed)
        return Numbered(version, "asked for", breaking, previous)
    bump, why = _bump(begin.options.bump, breaking, kept, first=previous is None)
    return Numbered(next_version(known, failed, bump), why, breaking, previous)


def _bump(
    asked: Bump | None, breaking: tuple[str, ...], kept: str, *, first: bool
) -> tuple[Bump, str]:
    if first:
        return Bump.MINOR, "first version"
    if asked is not None:
        return asked, f"{asked} asked for"
    if breaking:
        return Bump.MAJOR, "; ".join(breaking)
    return Bump.MINOR, kept


def check_options(options: DeployOptions) -> None:
    """Raises UsageError for numbers that cannot be."""
    if options.version is not None and options.bump is not None:
        raise UsageError("A version and a bump cannot both be asked for.", "Leave one out.")
    if options.replicas is not None:
        Range(options.replicas, options.most_replicas or options.replicas)
    elif options.most_replicas is not None:
        raise UsageError("Replicas have a most and no least.", "Give both: 1:4.")
    timeout = options.timeout_seconds
    if timeout is not None and not (math.isfinite(timeout) and 0 < timeout <= _LONGEST_TIMEOUT):
        raise UsageError(
            f"A timeout of {timeout:g} s cannot be.", f"Take up to {_LONGEST_TIMEOUT:g} s."
        )
