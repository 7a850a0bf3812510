"""Finding the supervisor of JUPYTER_DEPLOY_HOME, and starting it where there is none.

Rule 1: a pid is believed only together with its start time, and only when the socket answers with
that pid.  Rule 2: the supervisor runs in a session of its own and inherits no token of a Jupyter
server.  Rule 3: two starters at once are fine: the second supervisor finds the lock taken and goes.
Rule 4: a supervisor that a signal has stopped, or that hangs, is ended by whoever needs one; the
next takes over (`client/hung.py`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

from jupyter_deploy import __file__ as package_file
from jupyter_deploy.client import hung, paths
from jupyter_deploy.client.absence import absence
from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.errors import (
    StateUnavailable,
    SupervisorUnavailable,
    UnsupportedPlatform,
    UpgradeFailed,
)

START_SECONDS = 60.0
#: A new supervisor is up, and the one before has ended, within this.
TAKE_OVER_SECONDS = 60.0
#: Has a supervisor that runs hand over to the one that is started with this word.
TAKE_OVER = "--take-over"
_LOG_LINES = 10
_POLL_SECONDS = 0.02
#: A supervisor whose loop turns says who it is within this.
_PING_SECONDS = 2.0
#: Tokens of the Jupyter server or hub that the starter runs in.
_NOT_INHERITED = ("JPY_", "JUPYTERHUB_", "JUPYTER_TOKEN")


def running() -> ControlClient | None:
    """A client of the supervisor that runs for this home, or None."""
    found = Supervisor.read(paths.home() / "supervisor.json")
    if found is None or not found.alive():
        return None
    client = ControlClient(Path(found.socket))
    with contextlib.suppress(SupervisorUnavailable):
        if client.ping(_PING_SECONDS) == found.pid:
            return client
    client.close()
    return None


def begin() -> subprocess.Popen[bytes] | None:
    """The supervisor of this home, which was started where none runs and has not come up yet.

    Whoever has work of some seconds before `connect` gives it this, and waits less.  Raises
    StateUnavailable where this home cannot be written.
    """
    found = Supervisor.read(paths.home() / "supervisor.json")
    if (found is not None and found.alive()) or not hasattr(os, "getuid"):
        return None
    return _spawn(*_places())


def connect(*, start: bool = True, begun: subprocess.Popen[bytes] | None = None) -> ControlClient:
    """A client of the supervisor of this home, started if need be (60 s at most).

    Raises SupervisorUnavailable, with the last lines of its log when it cannot start, and
    StateUnavailable where this home cannot be written.
    """
    client = running()
    if client is not None:
        return client
    if not start:
        seen = absence()
        raise SupervisorUnavailable(seen.what, seen.fix)
    if not hasattr(os, "getuid"):
        raise UnsupportedPlatform(sys.platform)
    return _start(begun)


def replace() -> ControlClient:
    """A client of a new supervisor, to which the one that runs has handed over all that it keeps.

    Raises UpgradeFailed when the new one does not come up; the one before goes on.
    """
    home = paths.home()
    log = home / "logs" / "supervisor.log"
    before = Supervisor.read(home / "supervisor.json")
    process = _spawn(home, log, TAKE_OVER)
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = Supervisor.read(home / "supervisor.json")
        # The one before may end at any moment now: only the new one is asked.
        client = running() if found is not None and found.pid == process.pid else None
        if client is not None:
            while before is not None and before.alive() and time.monotonic() < deadline:
                threading.Event().wait(_POLL_SECONDS)
            return client
        threading.Event().wait(_POLL_SECONDS)
    if process.poll() is None:
        process.kill()
    ended = f"it ended with status {process.wait()}"
    said = _last_lines(log)
    client = _back()
    if client is None:
        raise _died(log)
    client.close()
    raise UpgradeFailed("supervisor", ended, said)


def _back() -> ControlClient | None:
    """The supervisor that was to be replaced: if it had left already, it comes back."""
    deadline = time.monotonic() + START_SECONDS
    while (client := running()) is None and time.monotonic() < deadline:
        threading.Event().wait(_POLL_SECONDS)
    return client


def _places() -> tuple[Path, Path]:
    """The home and the supervisor's log, in folders that are there."""
    home = paths.private_folder(paths.home())
    return home, paths.private_folder(home / "logs") / "supervisor.log"


def _start(begun: subprocess.Popen[bytes] | None) -> ControlClient:
    home, log = _places()
    patience = hung.Patience()
    _end_if_hung(home, log, patience)
    process = begun or _spawn(home, log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = running()
        if client is not None:
            return client
        if _end_if_hung(home, log, patience):
            deadline = time.monotonic() + START_SECONDS
        # Exit status 0 means that another supervisor was there first: its socket comes soon, unless
        # that one has died before.
        if process.poll() not in (None, 0):
            raise _died(log)
        if process.poll() == 0 and not _is_locked(home):
            process = _spawn(home, log)
        threading.Event().wait(_POLL_SECONDS)
    seen = absence()
    raise SupervisorUnavailable(seen.what, seen.fix) if seen.alive else _died(log)


def _end_if_hung(home: Path, log: Path, patience: hung.Patience) -> bool:
    """End the supervisor that does not answer, if it never will: it would hold the lock."""
    silent = Supervisor.read(home / "supervisor.json")
    over = patience.is_over(silent, planned=_PING_SECONDS + _POLL_SECONDS)
    if silent is not None and over:
        hung.end(silent, log)
    return over


def _is_locked(home: Path) -> bool:
    """Whether a supervisor has the home."""
    import fcntl  # not on Windows, where this module says what to do

    with contextlib.suppress(OSError), (home / "supervisor.lock").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _spawn(home: Path, log: Path, *words: str) -> subprocess.Popen[bytes]:
    descriptor = _open_log(log)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_deploy.supervisor", *words],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=home,
            env=child_environment(home),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    # Without somebody who waits for it, a supervisor that ends stays in the process table.
    threading.Thread(target=process.wait, name="reap the supervisor", daemon=True).start()
    return process


def _open_log(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateUnavailable(
            f"{log} cannot be written: {error.strerror}.",
            "Make it writable, or set JUPYTER_DEPLOY_HOME to a folder of yours.",
        ) from error


def child_environment(home: Path) -> dict[str, str]:
    """The environment for a process of ours: it finds `home` and our package, and has no token."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    kept["JUPYTER_DEPLOY_HOME"] = str(home)
    source = Path(package_file).resolve().parents[1]
    if str(source) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        # A checkout that is not installed: the supervisor and its children find it by path.
        known = kept.get("PYTHONPATH", "")
        kept["PYTHONPATH"] = os.pathsep.join(part for part in (str(source), known) if part)
    return kept


def _died(log: Path) -> SupervisorUnavailable:
    said = "\n".join(f"  | {line}" for line in _last_lines(log))
    return SupervisorUnavailable(
        f"The supervisor did not start. The end of {log}:\n{said}",
        "Mend what it says, then run the command again.",
    )


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return []
