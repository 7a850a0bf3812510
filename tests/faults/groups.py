"""Control groups of the kernel: so much memory for some processes together."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import wait_until

_ONE, _TWO = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Group:
    """One control group; a process may leave it only by its end, or by that of the group."""

    folder: Path

    def add(self, *pids: int) -> None:
        for pid in pids:
            (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def usage(self) -> Path:
        """The file that says how many bytes it holds, with what the kernel keeps of files."""
        files = [self.folder / name for name in ("memory.usage_in_bytes", "memory.current")]
        return next(file for file in files if file.exists())

    @property
    def pids(self) -> list[int]:
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]


@contextlib.contextmanager
def control_group(most_bytes: int) -> Iterator[Group]:
    """A group whose processes may hold so much; where none can be made the test is skipped."""
    top, limit = (
        (_ONE, "memory.limit_in_bytes") if (_ONE / "tasks").exists() else (_TWO, "memory.max")
    )
    folder = top / f"jupyter-deploy-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(most_bytes))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no control group for memory can be made here: {error}")
    try:
        yield Group(folder)
    finally:
        _remove(Group(folder), top)


def can_be_made() -> bool:
    try:
        with control_group(1 << 30):
            return True
    except pytest.skip.Exception:
        return False


def _remove(group: Group, top: Path) -> None:
    def removed() -> bool:
        for pid in group.pids:
            with contextlib.suppress(OSError):  # it has ended
                (top / "cgroup.procs").write_text(str(pid))
        try:
            group.folder.rmdir()
        except OSError:
            return False  # what was killed in it is only just being taken apart
        return True

    wait_until(removed, 60)
