"""Recovery: a damaged state is set aside, and the newest good backup takes its place.

Rule 1: nothing is deleted: whoever wants to look at the damage finds it in HOME/damaged.  Rule 2:
what was done is said, in one sentence that names the place and what is lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.client.paths import private_folder
from jupyter_deploy.supervisor.state import State

#: The file, and what SQLite keeps beside it.
_FILES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Recovery:
    """What happened to a state: why, where it lies (None: it was missing), and what was taken."""

    why: str
    aside: Path | None
    #: When the backup was taken, in seconds since 1970; None when there was no good one.
    backup_at: float | None
    #: What the backup has brought back.
    state: State

    @property
    def sentence(self) -> str:
        """For the journal, the log and the status."""
        where = "" if self.aside is None else f" It lies in {self.aside}."
        return f"The state could not be used: {self.why}.{where} {self._taken()}"

    def _taken(self) -> str:
        if self.backup_at is None:
            return (
                "There is no good backup: the state is empty, and endpoints, keys and traffic are "
                "lost. Deploy again; the files of all versions are still in versions/."
            )
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.backup_at))
        versions = sum(len(every) for every in self.state.versions.values())
        return (
            f"The backup of {when} has taken its place: {len(self.state.endpoints)} endpoints, "
            f"{versions} versions, {len(self.state.keys)} keys; what changed after it is lost."
        )


def set_aside(path: Path, folder: Path, now: float) -> Path | None:
    """Move the state into a new folder of `folder`; that folder, or None where there was nothing.

    Raises OSError, StateUnavailable.
    """
    files = [Path(f"{path}{suffix}") for suffix in _FILES]
    there = [file for file in files if file.exists()]
    if not there:
        return None
    target = _new_folder(private_folder(folder), time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)))
    # The state itself goes last: as long as it is there, the next start finds it damaged again.
    for file in reversed(there):
        file.replace(target / file.name)
    return target


def remove_copy(path: Path) -> None:
    """Remove a copy of a backup that could not be used; the backup itself stays."""
    for suffix in _FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _new_folder(parent: Path, name: str) -> Path:
    taken = len(list(parent.glob(f"{name}*")))
    return private_folder(parent / (f"{name}-{taken + 1}" if taken else name))
