"""A whole stack in a fresh home, and versions made without MLflow."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import httpx
import numpy as np
import psutil
import pytest

from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.discovery import connect, running
from jupyter_deploy.client.models import (
    BeginDeploy,
    DeployOptions,
    DeployStatus,
    DeployTicket,
    EndpointStatus,
    SubmitDeploy,
    VersionStatus,
)
from jupyter_deploy.client.paths import run_folder
from jupyter_deploy.core.contract import Contract, Form, Output, Tensor, Type
from jupyter_deploy.core.manifest import (
    EXPECTED,
    MODEL,
    SAMPLE,
    Loader,
    LoaderKind,
    Manifest,
    Origin,
    RegisteredModel,
)
from jupyter_deploy.errors import DeployError
from jupyter_deploy.registry.fetch import digest
from jupyter_deploy.wire.messages import PredictAnswer, PredictRequest, pack_answer, pack_request
from tests.support import free_port, wait_until

CONTRACT = Contract(
    Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,)), output=Output(Type.FLOAT)
)
ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).parents[2])}


def me(*, pid: int | None = None, pid_started: float | None = None) -> Origin:
    process = psutil.Process()
    return Origin(
        user=getpass.getuser(),
        via="python",
        pid=process.pid if pid is None else pid,
        pid_started=process.create_time() if pid_started is None else pid_started,
    )


def times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """A model: the sum of each row, times `factor`."""

    def model(x):
        return x.sum(axis=1) * factor

    return model


@dataclass
class Stack:
    """The supervisor of a home, and how its callers see it."""

    home: Path
    client: ControlClient

    # --- deploying ------------------------------------------------------------------------------

    def begin(self, name: str, contract: Contract = CONTRACT, **options) -> DeployTicket:
        body = BeginDeploy(contract, me(), DeployOptions(**options))
        return self.client.begin_deploy(name, body)

    def fill(
        self,
        ticket: DeployTicket,
        model: Callable,
        *,
        expected: np.ndarray | None = None,
        contract: Contract = CONTRACT,
        python: str = sys.executable,
        packages: dict[str, str] | None = None,
    ) -> Manifest:
        """Fill the staging folder as the pipeline does, but for MLflow."""
        staging = Path(ticket.staging)
        (staging / MODEL).mkdir()
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        (staging / MODEL / "model.pkl").write_bytes(cloudpickle.dumps(model))
        if expected is not None:
            (staging / SAMPLE).write_bytes(pack_request(PredictRequest([ROWS], len(ROWS), 60.0)))
            answer = PredictAnswer(("predictions",), [expected], 0.0)
            (staging / EXPECTED).write_bytes(pack_answer(answer))
        return Manifest(
            contract=contract,
            loader=Loader(LoaderKind.CLOUDPICKLE, "model.pkl", function=True),
            registered=RegisteredModel("sqlite:///nowhere/x.db", ticket.name, "1"),
            python=python,
            digest=digest(staging / MODEL),
            environment=ENVIRONMENT,
            example='{"inputs": [[1.0, 2.0]]}',
            packages=packages or {},
            batchable=True,
        )

    def submit(self, ticket: DeployTicket, manifest: Manifest, seconds: float = 60) -> DeployStatus:
        """Submit, and follow to the end.  Raises what the deploy ended with."""
        status = self.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
        while status.state == "running":
            status = self.client.deploy_status(ticket.deploy_id, status.revision, seconds)
        if status.problem is not None:
            raise DeployError.from_problem(status.problem)
        return status

    def deploy(self, name: str, factor: float = 1.0, **options) -> str:
        """Deploy the model that multiplies; its version."""
        ticket = self.begin(name, **options)
        manifest = self.fill(ticket, times(factor), expected=ROWS.sum(axis=1) * factor)
        self.submit(ticket, manifest)
        return ticket.version

    # --- looking --------------------------------------------------------------------------------

    def endpoint(self, name: str) -> EndpointStatus:
        return self.client.endpoint(name)

    def version(self, name: str, version: str) -> VersionStatus:
        return next(one for one in self.endpoint(name).versions if one.version == version)

    def replica_pids(self, name: str, version: str) -> list[int]:
        replicas = self.version(name, version).replicas
        return [one.pid for one in replicas if one.state == "ready" and one.pid is not None]

    def supervisor_pid(self) -> int:
        return self.client.status().supervisor.pid

    def key(self, name: str) -> str:
        file = self.endpoint(name).key_file
        assert file is not None
        return Path(file).read_text()

    def call(self, name: str, *, key: str | None = None, version: str = "") -> httpx.Response:
        """One prediction over HTTP."""
        path = f"versions/{version}/invocations" if version else "invocations"
        return httpx.post(
            f"{self.endpoint(name).url}/{path}",
            json={"inputs": ROWS.tolist()},
            headers={"authorization": f"Bearer {key or self.key(name)}"},
        )

    def predict(self, name: str, **how) -> list[float]:
        response = self.call(name, **how)
        assert response.status_code == 200, response.text
        return response.json()["predictions"]

    # --- beginning and ending -------------------------------------------------------------------

    def stop(self) -> None:
        """Stop everything, and see that nothing is left."""
        supervisor = psutil.Process(self.supervisor_pid())
        self.client.stop(me())
        supervisor.wait(60)
        self.client.close()
        # A process that was killed is in the table until the system has taken it apart.
        wait_until(lambda: not ours(self.home), 5)

    def start(self) -> None:
        self.client.close()
        self.client = connect()


@contextlib.contextmanager
def stack(home: Path, **environment: str) -> Iterator[Stack]:
    """A supervisor in `home`, ended with all that it has started."""
    told = {"JUPYTER_DEPLOY_HOME": str(home), "JUPYTER_DEPLOY_PORT": str(free_port())}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (told | environment).items():
            patch.setenv(name, value)
        one = Stack(home, connect())
        try:
            yield one
        finally:
            end(one)


def end(one: Stack) -> None:
    client = running()
    if client is not None:
        one.client.close()
        one.client = client
        one.stop()
    for process in ours(one.home):
        process.kill()
    shutil.rmtree(run_folder(one.home), ignore_errors=True)


def ours(home: Path) -> list[psutil.Process]:
    """All processes that were started for `home`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            variables = process.environ()
            mine = variables.get("JUPYTER_DEPLOY_HOME") == str(home) and process.pid != os.getpid()
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def ended(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        # What it has open is closed with its last thread, and its first one may be gone before.
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


def launchers(home: Path) -> list[int]:
    """What replicas are forked from."""
    words = ((process.pid, process.cmdline()) for process in ours(home))
    found = [pid for pid, line in words if "jupyter_deploy.replica.launcher" in line]
    return [pid for pid in found if not is_replica(pid)]


def is_replica(pid: int) -> bool:
    """Whether it is a replica: one that was forked has its launcher's arguments, not its score."""
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text()) > 0


def until_ready(one: Stack, name: str, version: str, count: int, seconds: float = 20) -> list[int]:
    """The pids of the replicas, once so many are ready."""
    return wait_until(
        lambda: pids if len(pids := one.replica_pids(name, version)) == count else None, seconds
    )
