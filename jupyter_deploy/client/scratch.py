"""Scratch folders that say whose they are, so that those of killed processes can be removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jupyter_deploy.client.process_start import lives, own_start

_NAME = re.compile(r"scratch-(\d+)-(\d+(?:\.\d+)?)-\w+")


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder (0700) in `parent`, gone after the block.  Raises OSError."""
    name = tempfile.mkdtemp(prefix=f"scratch-{os.getpid()}-{own_start():.2f}-", dir=parent)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)


def in_use(folder: Path) -> bool:
    """Whether this is a scratch folder, and the process that made it still lives."""
    match = _NAME.fullmatch(folder.name)
    return match is not None and lives(int(match[1]), float(match[2]))
