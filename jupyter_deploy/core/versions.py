"""Semantic versions of an endpoint: which one comes next.

The rule (semver.org, read for a prediction API): a contract that could refuse a request which was
good before, or answers in another form, is a new MAJOR; anything else is a new MINOR; PATCH is for
whoever asks for it, and for a second try after a version that failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from semver import Version

from jupyter_deploy.errors import InvalidVersion, VersionExists

FIRST = Version(1, 0, 0)


class Bump(StrEnum):
    """Which part of a version grows."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


def parse_version(text: str) -> Version:
    """Return `text` as MAJOR.MINOR.PATCH.  Raises InvalidVersion."""
    try:
        version = Version.parse(text)
    except (ValueError, TypeError):
        version = None
    if version is None or version.prerelease or version.build:
        shown = repr(text[:40] if isinstance(text, str) else text)[:50]
        raise InvalidVersion(f"{shown} is not a version.", 'Write MAJOR.MINOR.PATCH: "1.2.0".')
    return version


def next_version(known: Sequence[str], failed: Sequence[str], bump: Bump) -> str:
    """The version that follows the newest one of `known` that did not fail.

    `known` holds every version of the endpoint, `failed` those that never served.  A number is
    never used twice: where a failed version holds it, PATCH grows until one is free.
    """
    taken = {parse_version(text) for text in known}
    served = taken - {parse_version(text) for text in failed}
    version = _bumped(max(served), bump) if served else FIRST
    while version in taken:
        version = version.bump_patch()
    return str(version)


def check_version(name: str, wanted: str, known: Sequence[str], failed: Sequence[str]) -> str:
    """Return `wanted` if it may come next.  Raises InvalidVersion or VersionExists."""
    version = parse_version(wanted)
    taken = sorted(parse_version(text) for text in known)
    following = next_version(known, failed, Bump.MINOR)
    if version in taken:
        raise VersionExists(name, wanted, following)
    if taken and version < taken[-1]:
        raise InvalidVersion(
            f"{wanted} goes backwards: {name} is at {taken[-1]}.",
            f"Leave --version out, or take {following} or higher.",
        )
    return str(version)


def _bumped(version: Version, bump: Bump) -> Version:
    match bump:
        case Bump.MAJOR:
            return version.bump_major()
        case Bump.MINOR:
            return version.bump_minor()
        case Bump.PATCH:
            return version.bump_patch()
