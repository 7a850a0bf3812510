"""Processes whose event loop can be held: they are not stopped, and do nothing for anybody."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import wait_until

#: Found by every Python that has its folder in PYTHONPATH: SIGUSR2 keeps its loop while a file
#: exists.  It sleeps: what it would compute counts less where it waits for a processor.
_SITECUSTOMIZE = """
import os, signal, time
def block(number, frame):
    open({held!r}, "w").close()
    while os.path.exists({file!r}):
        time.sleep(0.01)
signal.signal(signal.SIGUSR2, block)
"""


@dataclass(frozen=True)
class Blocks:
    """Holds the loop of processes that were started with `folder` in PYTHONPATH."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Blocks:
        one = cls(folder)
        text = _SITECUSTOMIZE.format(file=str(one._file), held=str(one._held))
        (folder / "sitecustomize.py").write_text(text)
        return one

    @property
    def _file(self) -> Path:
        return self.folder / "blocked"

    @property
    def _held(self) -> Path:
        return self.folder / "held"

    @contextlib.contextmanager
    def loop_of(self, pid: int) -> Iterator[None]:
        """Its loop does nothing else while the block runs."""
        self._file.touch()
        try:
            os.kill(pid, signal.SIGUSR2)
            wait_until(self._held.exists)
            yield
        finally:
            self._held.unlink(missing_ok=True)
            self._file.unlink()
