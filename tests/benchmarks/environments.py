"""One virtual environment for each peer, made once and kept.

Rule 1: every environment has the same scikit-learn, NumPy, pandas and xgboost (`COMMON`): what is
compared is the servers.  Rule 2: an environment is complete or absent; its stamp is written last
and names all that was asked for, so that a changed list makes it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMON = (
    "scikit-learn==1.9.1",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "joblib==1.6.0",
    "xgboost-cpu==3.2.0",
)
#: Its CPU build; installed with pip, which finds it where the machine's pip settings say.
TORCH = "torch==2.13.0"
INSTALL_SECONDS = 1800.0


class EnvironmentFailed(RuntimeError):
    """The packages of a peer could not be installed; the message has the installer's last lines."""


@dataclass(frozen=True)
class Environment:
    """A peer's interpreter and packages, in a folder outside the repository."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    def versions(self) -> dict[str, str]:
        """What is installed, by name."""
        code = (
            "import importlib.metadata as m, json;"
            "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
        )
        output = subprocess.run(
            [self.python, "-c", code], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        found: dict[str, str] = json.loads(output)
        return found


def default_folder() -> Path:
    """~/.cache/jupyter-deploy-benchmarks, or under XDG_CACHE_HOME."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "jupyter-deploy-benchmarks"


def environment(root: Path, name: str, packages: tuple[str, ...], *, torch: bool) -> Environment:
    """The environment `name` with COMMON and `packages` in it, made when it is not there.

    Raises EnvironmentFailed when the installer says no.
    """
    made = Environment(root / name)
    wanted = (*COMMON, *packages)
    stamp = made.folder / ".stamp"
    digest = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        _create(made, wanted)
        stamp.write_text(digest)
    if torch:
        _add_torch(made)
    return made


def _create(made: Environment, packages: tuple[str, ...]) -> None:
    shutil.rmtree(made.folder, ignore_errors=True)
    made.folder.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", made.folder])
    _run([*_installer(made), *packages])


def _installer(made: Environment) -> list[str | Path]:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        return [made.python, "-m", "pip", "install", "--quiet"]
    return [uv, "pip", "install", "--quiet", "--python", made.python]


def _add_torch(made: Environment) -> None:
    stamp = made.folder / ".torch"
    if stamp.exists() and stamp.read_text() == TORCH:
        return
    _run([made.python, "-m", "pip", "install", "--quiet", TORCH])
    stamp.write_text(TORCH)


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise EnvironmentFailed(f"{' '.join(map(str, command))[:200]}\n{last}")
