"""Where the supervisor lives: JUPYTER_DEPLOY_HOME and the files in it that others read.

    HOME/supervisor.json   who runs: {"pid", "pid_started", "socket", "version"}     (0600)
    HOME/supervisor.lock   held by the supervisor for as long as it lives
    HOME/keys/             one 0600 file for each key that has been issued
    HOME/logs/             supervisor.log, gateway.log, replica logs, errors of requests
    HOME/versions/         one folder for each version
    HOME/state.db          the supervisor's state; nobody else opens it
    HOME/backups/          the state after each of its last five changes                  (0600)
    HOME/damaged/          what could not be used any more; nothing here is read again
    HOME/mlflow/           the default registry: SQLite and artefacts

Sockets live in a short folder of their own (0700): a Unix socket's path may have 104 bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.errors import StateUnavailable

#: Unix sockets allow 104 bytes on macOS and 108 on Linux, the last of which ends the path.
_LONGEST_SOCKET_PATH = 103
#: What a socket in the folder may be called.
_SOCKET_NAME_BYTES = 40
#: Where sockets are when TMPDIR is too long for them.
_SHORT = Path("/tmp")  # noqa: S108 - a folder of our own in it, which is looked at before it is used


def home() -> Path:
    """JUPYTER_DEPLOY_HOME, by default `jupyter-deploy` in Jupyter's data folder.

    The same path by whatever links somebody comes to it: processes are known by it.  Raises
    StateUnavailable where it is `~NAME`, and nobody has that name.
    """
    configured = os.environ.get("JUPYTER_DEPLOY_HOME")
    if configured:
        try:
            return Path(os.path.realpath(Path(configured).expanduser()))
        except RuntimeError as error:
            raise StateUnavailable(
                f"JUPYTER_DEPLOY_HOME is {configured[:80]!r}, and there is no such user.",
                "Set it to a folder of yours.",
            ) from error
    from jupyter_core.paths import jupyter_data_dir

    return Path(os.path.realpath(jupyter_data_dir())) / "jupyter-deploy"


def run_folder(home_folder: Path) -> Path:
    """The folder of sockets for `home_folder`: short, the same for every process of this user.

    What runs has its sockets where the last supervisor had them: with another TMPDIR nobody would
    find it there, and all of it would be started again.
    """
    name = f"jd-{os.getuid()}-{hashlib.sha256(os.fsencode(home_folder)).hexdigest()[:12]}"
    last = Supervisor.read(home_folder / "supervisor.json")
    # A home that was copied has the file of another one.
    if last is not None and (known := Path(last.socket).parent).name == name and known.is_dir():
        return known
    usual = Path(tempfile.gettempdir()) / name
    fits = len(os.fsencode(usual)) + _SOCKET_NAME_BYTES <= _LONGEST_SOCKET_PATH
    return usual if fits else _SHORT / name


def private_folder(folder: Path) -> Path:
    """Create `folder` (0700) if need be, and make sure that it is ours alone.

    Raises StateUnavailable: somebody else made it, it is a link, or it cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StateUnavailable(
            f"{folder} cannot be used: {error.strerror}.",
            "Make it writable, or set JUPYTER_DEPLOY_HOME to a folder of yours.",
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StateUnavailable(
            f"{folder} is not a folder of yours.", "Remove it, then run the command again."
        )
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder
