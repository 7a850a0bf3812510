"""What the C library does with large blocks that are given back.

Left to itself, glibc takes blocks of up to 32 MB from the heap once one of that size has been
freed: after a burst of large bodies, small blocks that came later keep the pages of the large ones
(115 MB more than before, after 60 bodies of 15 MB at four connections; 10 MB with this).
"""

from __future__ import annotations

import contextlib
import ctypes

#: Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: A block from this size on is mapped by itself: what is given back goes to the system, and one
#: that grows is moved without a copy.  No small request has any.
LARGE_BLOCK_BYTES = 1_000_000
#: So much may stay free at the end of a heap: smaller blocks come and go without asking the system.
_SPARE_BYTES = 8_000_000


def keep_large_blocks_apart() -> None:
    """Have each large block mapped by itself from now on; nothing happens but with glibc."""
    # musl and macOS have no such function, and keep no large blocks either.
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, _SPARE_BYTES)
