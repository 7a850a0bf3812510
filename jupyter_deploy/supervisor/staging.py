"""Staging folders: made for a deploy, filled by its kernel, moved to their place or removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from jupyter_deploy.client import scratch
from jupyter_deploy.core.manifest import MANIFEST, MODEL, Manifest
from jupyter_deploy.errors import StateUnavailable, UsageError
from jupyter_deploy.supervisor.state import Version


def make(folder: Path) -> Path:
    """A new folder (0700).  Raises StateUnavailable."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StateUnavailable(
            f"The folder {folder} cannot be made: {error.strerror}.", "Make room or give access."
        ) from error
    return folder


def check_filled(staging: Path, manifest: Manifest) -> None:
    """Raises UsageError: what a version needs is not there."""
    if not (staging / MODEL).is_dir():
        raise UsageError(f"The staging folder has no {MODEL}/.", "Fill it, then submit it.")
    if not Path(manifest.python).is_absolute():
        raise UsageError("The manifest names no interpreter by its full path.")


def settle(staging: Path, folder: Path, version: Version) -> None:
    """Move the folder to its place, with the manifest in it."""
    try:
        staging.replace(folder)
        (folder / MANIFEST).write_bytes(msgspec.json.encode(version.manifest))
    except OSError as error:
        raise StateUnavailable(
            f"The version cannot be kept in {folder}: {error.strerror}.",
            "Make room or give access.",
        ) from error


def remove(folder: Path) -> None:
    """Remove it, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)


def folders(staging: Path) -> list[Path]:
    """What there is now."""
    return list(staging.iterdir())


def remove_others(found: list[Path], held: set[str]) -> None:
    """Remove what neither a deploy that is held nor a living process has made of what was found."""
    for folder in found:
        if folder.name not in held and not scratch.in_use(folder):
            remove(folder)
