"""Failpoints: named places where a change can be cut, so that tests cut it at each of them.

Rule 1: all of this is inert unless JUPYTER_DEPLOY_FAILPOINTS named a folder when the process
started: nothing that comes later, by whatever way, turns it on.  Rule 2: what is armed goes off
once, so that the same command again goes through.

    FOLDER/reached     the names that were passed, one a line, as they came
    FOLDER/armed       "NAME: KIND", the next to go off; KIND is kill, raise, full (a full disk)
                       or hang, for as long as there is FOLDER/hangs
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

VARIABLE = "JUPYTER_DEPLOY_FAILPOINTS"
_FOLDER = os.environ.get(VARIABLE)


class Cut(Exception):
    """What an armed failpoint raises; no code of ours knows it."""


def reach(name: str) -> None:
    """Go on, unless a test has armed this name."""
    if _FOLDER is not None:
        _reach(Path(_FOLDER), name)


def _reach(folder: Path, name: str) -> None:
    with (folder / "reached").open("a") as reached:
        reached.write(f"{name}\n")
    armed = folder / "armed"
    try:
        wanted, _, kind = armed.read_text().strip().rpartition(": ")
        if wanted == name:
            armed.unlink()
            _go_off(folder, name, kind)
    except FileNotFoundError:
        return


def _go_off(folder: Path, name: str, kind: str) -> None:
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            hangs = folder / "hangs"
            hangs.touch()
            while hangs.exists():
                time.sleep(0.02)
        case "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case _:
            raise Cut(name)
