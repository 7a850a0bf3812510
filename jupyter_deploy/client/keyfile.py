"""The file that holds a key."""

from __future__ import annotations

import errno
from pathlib import Path


def secret_in(file: Path) -> str:
    """The key that `file` holds.  Raises OSError, also where it holds nothing that can be sent."""
    text = file.read_bytes().decode("ascii", errors="replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise OSError(errno.EINVAL, "it holds no key")
    return text
