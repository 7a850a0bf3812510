"""How many files this process may have open; the usual limit is made for programs that `select`."""

from __future__ import annotations

import contextlib
import resource

#: What a process that serves many may need.  Some containers allow a thousand million, and bounds
#: that are made from the limit would mean nothing there.
_ENOUGH = 65_536


def raise_limit() -> None:
    """Have the limit as high as this process may set it, for what it starts as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS names a hard limit that it does not give.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
