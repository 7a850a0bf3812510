"""Arming failpoints, and a kernel that can be killed: forked from a process that has MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Forks a kernel for each line "NAME", which deploys a model as NAME and answers how that ended.
_KERNELS = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import mlflow, mlflow.sklearn, sklearn.linear_model
from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.process_start import own_start
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.errors import DeployError
from jupyter_deploy.failpoints import Cut
from jupyter_deploy.pipeline import run

x = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]])
model = sklearn.linear_model.LinearRegression().fit(x, x.sum(axis=1))

def kernel(name):
    origin = Origin("ada", "python", pid=os.getpid(), pid_started=own_start())
    try:
        deployed = run(model, name, sample=x, origin=origin, client=connect())
        return f"deployed {deployed.ticket.version}"
    except (DeployError, Cut, OSError) as error:
        return f"{type(error).__name__}: {error}".replace("\\n", " ")

print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        print(kernel(line.strip()), flush=True)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if status:
        print(f"killed {os.waitstatus_to_exitcode(status)}", flush=True)
"""


@dataclass
class Kernels:
    """Kernels that deploy, one after the other."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls) -> Kernels:
        command = [sys.executable, "-c", _KERNELS]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ)
        one = cls(process)
        assert one._answer() == "ready"
        return one

    def deploy(self, name: str) -> str:
        """How a deploy in a fresh kernel ended: deployed VERSION, killed STATUS, or an error."""
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@dataclass
class Failpoints:
    """The folder that the processes were told of when they started."""

    folder: Path

    def arm(self, name: str, kind: str) -> None:
        (self.folder / "armed").write_text(f"{name}: {kind}")

    def disarm(self) -> None:
        (self.folder / "armed").unlink(missing_ok=True)

    def let_go(self) -> None:
        """What hangs goes on."""
        (self.folder / "hangs").unlink()

    def hangs(self) -> bool:
        return (self.folder / "hangs").exists()

    def went_off(self) -> bool:
        return not (self.folder / "armed").exists()

    def reached(self) -> list[str]:
        """The names passed since the last call, each once, in order."""
        file = self.folder / "reached"
        names = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return list(dict.fromkeys(names))
