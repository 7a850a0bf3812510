"""Files: removed as far as that is possible, and how many this process may have open."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

#: What a process that serves many may need; the usual limit is made for those that `select`.  Some
#: containers allow a thousand million, and bounds made from that would mean nothing there.
_ENOUGH = 65_536


def raise_limit() -> None:
    """Have the limit as high as this process may set it, for what it starts as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS names a hard limit that it does not give.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def remove(file: Path) -> None:
    """Remove it; on a disk that has become read-only it stays, and keeps nobody from ending."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
