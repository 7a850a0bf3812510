"""Which journal SQLite may keep, from the kind of file system.  Pure but for `mounted`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Literal

import psutil

JournalMode = Literal["WAL", "DELETE"]
#: (mount point, type), as the kernel says.
Mount = tuple[str, str]

# WAL needs memory that all users of the file share, which hosts of a network file system do not:
# https://sqlite.org/wal.html#overview.  What is not known to be local through FUSE is not trusted.
_NETWORK = frozenset(
    [
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "prl_fs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "vmhgfs",
        "webdav",
    ]
)
_NETWORK_PREFIX = "fuse."


def journal_mode(folder: PurePath, mounts: Iterable[Mount]) -> JournalMode:
    """WAL, or a journal that works without shared memory where `folder` is on the network."""
    kind = _kind(folder, mounts).lower()
    network = kind in _NETWORK or kind.startswith(_NETWORK_PREFIX)
    return "DELETE" if network else "WAL"


def _kind(folder: PurePath, mounts: Iterable[Mount]) -> str:
    """The type of the innermost mount that holds `folder`; of two at one point, the later."""
    depth, found = 0, ""
    for point, kind in mounts:
        here = PurePath(point)
        if folder.is_relative_to(here) and len(here.parts) >= depth:
            depth, found = len(here.parts), kind
    return found


def mounted() -> list[Mount]:
    """What is mounted now; nothing where the system does not say."""
    try:
        return [(one.mountpoint, one.fstype) for one in psutil.disk_partitions(all=True)]
    except (OSError, psutil.Error):
        return []


def journal_mode_here(folder: Path) -> JournalMode:
    """The journal for a file in `folder` of this machine."""
    return journal_mode(folder.resolve(), mounted())
