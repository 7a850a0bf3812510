"""A stand-in for the supervisor that proves with a real replica, as the real one does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import msgspec
import pytest

from jupyter_deploy.client.models import DeployStatus, DeployTicket, EndpointStatus, StepStatus
from jupyter_deploy.core.manifest import EXPECTED, MANIFEST, MODEL, SAMPLE, Manifest, Origin
from jupyter_deploy.pipeline import run
from jupyter_deploy.replica.launcher import ENVIRONMENT
from jupyter_deploy.replica.spec import ColumnSpec, ReplicaSpec, TensorSpec
from jupyter_deploy.wire.frames import FrameReader, Kind, pack_frame
from jupyter_deploy.wire.messages import unpack_answer
from tests.frames import receive_frame
from tests.support import wait_until

ORIGIN = Origin(user="ada", via="python")


class Proof:
    """What a fresh replica of a staged version answers to its sample."""

    def __init__(self, staging: Path, launcher: Launcher) -> None:
        self._launcher = launcher
        self.manifest = msgspec.json.decode((staging / MANIFEST).read_bytes(), type=Manifest)
        self.staging = staging
        expected = staging / EXPECTED
        self.expected = (
            unpack_answer(memoryview(expected.read_bytes())) if expected.exists() else None
        )
        self.answer = self._ask() if self.expected is not None else None

    def _spec(self, folder: Path) -> ReplicaSpec:
        contract, loader = self.manifest.contract, self.manifest.loader
        return ReplicaSpec(
            socket=str(folder / "s"),
            report=str(folder / "report.json"),
            model=str(self.staging / MODEL),
            loader=loader.kind.value,
            file=loader.file,
            trusted=loader.trusted,
            function=loader.function,
            form=contract.form.value,
            columns=tuple(ColumnSpec.of(column) for column in contract.columns),
            tensor=None if contract.tensor is None else TensorSpec.of(contract.tensor),
            probabilities=contract.output.probabilities,
            warmup=str(self.staging / SAMPLE),
        )

    def _ask(self):
        with tempfile.TemporaryDirectory(prefix="jd-") as name:
            folder = Path(name)
            self._spec(folder).write(folder / "spec.json")
            pid = self._launcher.launch(folder / "spec.json", folder / "log")
            try:
                wait_until(lambda: (folder / "report.json").exists(), 60)
                report = json.loads((folder / "report.json").read_text())
                assert "stage" not in report, report["trace"]
                wait_until(lambda: (folder / "s").exists(), 10)
                return self._predict(folder / "s")
            finally:
                os.kill(pid, signal.SIGKILL)

    def _predict(self, path: Path):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(60)
        peer.connect(str(path))
        with peer:
            payload = (self.staging / SAMPLE).read_bytes()
            peer.sendall(pack_frame(Kind.PREDICT, 1, payload))
            frame = receive_frame(peer, FrameReader())
        assert frame.kind is Kind.PREDICTED, bytes(frame.payload)
        return unpack_answer(frame.payload)


class Launcher:
    """A launcher of replicas, as the supervisor runs one: no test waits for imports twice."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "jupyter_deploy.replica.launcher", str(folder / "l")]
        environment = os.environ | ENVIRONMENT
        self.process = subprocess.Popen(
            [
                *command,
                "pandas",
                "sklearn.pipeline",
                "sklearn.ensemble",
                "skops.io",
                "mlflow.pyfunc",
            ],
            env=environment,
        )
        wait_until((folder / "l").exists, 60)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(folder / "l"))
        self.lines = self.socket.makefile()

    def launch(self, spec: Path, log: Path) -> int:
        order = {"spec": str(spec), "log": str(log), "environment": {}}
        self.socket.sendall(json.dumps(order).encode() + b"\n")
        while "exited" in (answer := json.loads(self.lines.readline())):
            pass
        return answer["pid"]

    def close(self) -> None:
        self.lines.close()
        self.socket.close()
        self.process.terminate()
        self.process.wait(10)


class StandIn:
    """Gives tickets, takes submissions, remembers what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun, self.submitted, self.aborted = [], [], []
        self.problem = None

    def begin_deploy(self, name, body):
        self.begun.append(body)
        staging = self.folder / uuid.uuid4().hex
        staging.mkdir(parents=True, mode=0o700)
        version = f"1.{len(self.begun) - 1}.0"
        self.ticket = DeployTicket("d1", name, version, str(staging), "", None, "the first version")
        return self.ticket

    def submit_deploy(self, deploy_id, body):
        self.submitted.append(body)
        return self.deploy_status(deploy_id)

    def abort_deploy(self, deploy_id):
        self.aborted.append(deploy_id)
        return DeployStatus(deploy_id, "x", "1.0.0", "aborted", 1, ())

    def deploy_status(self, deploy_id, after=-1, wait=0.0):
        state = "failed" if self.problem else "done"
        steps = (StepStatus("prove", "done", 0.1),)
        return DeployStatus(deploy_id, "x", "1.0.0", state, after + 1, steps, self.problem)

    def endpoint(self, name):
        return EndpointStatus(
            name, f"http://127.0.0.1:1/endpoints/{name}", "serving", "1.0.0", None, 1, ()
        )


@pytest.fixture(scope="session")
def launcher():
    folder = Path(tempfile.mkdtemp(prefix="jd-"))
    launcher = Launcher(folder)
    yield launcher
    launcher.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One registry for all tests of a module: a new one takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("JUPYTER_DEPLOY_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder


@pytest.fixture
def supervisor(home):
    return StandIn(home / "staging")


@pytest.fixture
def deploy(supervisor, launcher):
    """Deploys, and returns what was deployed together with a replica's answers."""

    def do(model, **more):
        deployed = run(model, "churn", origin=ORIGIN, client=supervisor, **more)
        return deployed, Proof(Path(supervisor.ticket.staging), launcher)

    return do
