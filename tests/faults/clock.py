"""A wall clock that a test moves, for all processes of one stack; the monotonic one stays.

libfaketime answers for the clock, in native code too.  What a supervisor starts inherits no
LD_PRELOAD, so that each Python that finds `sitecustomize` on its path begins again with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_SITECUSTOMIZE = """
import os, sys
if os.environ.get("FAKETIME_TIMESTAMP_FILE") != {file!r}:
    os.environ |= {{
        "LD_PRELOAD": {library!r}, "FAKETIME_TIMESTAMP_FILE": {file!r}, "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }}
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
"""


def libfaketime() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class Clock:
    """The clock of the processes that have `path` in PYTHONPATH."""

    def __init__(self, folder: Path) -> None:
        library = libfaketime()
        if library is None:
            pytest.skip("libfaketime is not installed (Debian: faketime)")
        self.path = folder
        self._file = folder / "clock"
        self.move(0)
        text = _SITECUSTOMIZE.format(file=str(self._file), library=str(library))
        (folder / "sitecustomize.py").write_text(text)

    def move(self, seconds: int) -> None:
        """So far from the true time, from now on."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self._file)
