"""Gateways and replicas as real processes, without a supervisor: tests write the snapshot."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import cloudpickle
import httpx
import msgspec

from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.keys import StoredKey, mint_key
from jupyter_deploy.core.snapshot import EndpointRoute, ReplicaRoute, Snapshot, VersionRoute
from jupyter_deploy.replica.spec import ColumnSpec, ReplicaSpec, TensorSpec
from tests.support import wait_until

START_SECONDS = 60.0


class Replica:
    """One replica process that serves `model`, any object that cloudpickle takes."""

    def __init__(self, folder: Path, name: str, contract: Contract, model: Any) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.socket = str(folder / f"{name}.s")
        (self.folder / "model.pkl").write_bytes(_by_value(model))
        spec = ReplicaSpec(
            socket=self.socket, report=str(self.folder / "report.json"), model=str(self.folder),
            loader="cloudpickle", file="model.pkl", trusted=(),
            function=not hasattr(model, "predict"), form=str(contract.form),
            columns=tuple(map(ColumnSpec.of, contract.columns)),
            tensor=None if contract.tensor is None else TensorSpec.of(contract.tensor),
            probabilities=contract.output.probabilities, warmup=None,
        )  # fmt: skip
        spec.write(self.folder / "spec.json")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def route(self) -> ReplicaRoute:
        return ReplicaRoute(self.name, self.socket)

    def start(self) -> None:
        Path(self.socket).unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_deploy.replica", str(self.folder / "spec.json")],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> Replica:
        wait_until(lambda: Path(self.socket).exists() or self._ended(), START_SECONDS)
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _ended(self) -> bool:
        if self.process.poll() is None:
            return False
        raise AssertionError((self.folder / "log").read_text()[-3000:])


class Stack:
    """`processes` gateways with the endpoints that a test gives them; `config` is told to each.

    `gateway` and `admin` are those of the first.
    """

    def __init__(self, processes: int = 1, **config: Any) -> None:
        self.config = config
        self.folder = Path(tempfile.mkdtemp(prefix="jdg-"))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.snapshot = Snapshot(0, self.url, mlflow_version="3.17.0")
        self.replicas: list[Replica] = []
        self.gateways: list[subprocess.Popen[bytes] | None] = [None] * processes
        self.admins = [
            httpx.Client(
                transport=httpx.HTTPTransport(uds=str(self._admin(number))),
                base_url="http://gateway", timeout=10,
            )
            for number in range(processes)
        ]  # fmt: skip
        self.client = httpx.Client(base_url=self.url, timeout=40)
        self.write()
        for number in range(processes):
            self.start_gateway(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- processes ------------------------------------------------------------------------------

    @property
    def gateway(self) -> subprocess.Popen[bytes]:
        assert self.gateways[0] is not None
        return self.gateways[0]

    @property
    def admin(self) -> httpx.Client:
        return self.admins[0]

    def start_gateway(self, number: int = 0) -> None:
        fd, several = self.listener.fileno(), len(self.gateways) > 1
        sharing = {"shared": str(self.folder / "shared"), "processes": len(self.gateways)}
        config = self.folder / f"gateway-{number}.json"
        config.write_text(json.dumps({
            "fd": fd, "snapshot": str(self.folder / "snapshot.json"),
            "admin": str(self._admin(number)), "errors": str(self.folder / "errors"),
            **(sharing if several else {}), **self.config,
        }))  # fmt: skip
        with (self.folder / "gateway.log").open("ab") as log:
            self.gateways[number] = subprocess.Popen(
                [sys.executable, "-m", "jupyter_deploy.gateway", str(config)],
                pass_fds=(fd,), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: self._answers(number), START_SECONDS)

    def _admin(self, number: int) -> Path:
        return self.folder / ("admin" if number == 0 else f"admin-{number}")

    def replica(self, contract: Contract, model: Any) -> Replica:
        replica = Replica(self.folder, f"r{len(self.replicas)}", contract, model)
        self.replicas.append(replica)
        return replica

    def close(self) -> None:
        for client in (*self.admins, self.client):
            client.close()
        processes = [*self.gateways, *(replica.process for replica in self.replicas)]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self.listener.close()
        shutil.rmtree(self.folder)

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()

    # --- routes ---------------------------------------------------------------------------------

    def deploy(
        self, name: str, contract: Contract, model: Any, *,
        version: str = "1.0.0", replicas: int = 1, active: bool = True, ready: bool = True,
        **options: Any,
    ) -> list[Replica]:  # fmt: skip
        """Serve `model` as a version of `name`; it is active when `active`."""
        started = [self.replica(contract, model) for _ in range(replicas)]
        routes = tuple(replica.wait().route for replica in started)
        route = VersionRoute(version, "1", contract, routes, **{"batchable": True, **options})
        present = {one.name: one for one in self.snapshot.endpoints}
        old = present.get(name, EndpointRoute(name, None, ()))
        versions = (*(one for one in old.versions if one.version != version), route)
        present[name] = EndpointRoute(name, version if active else old.active, versions)
        self.publish(endpoints=tuple(present.values()))
        if ready:
            self.wait_ready(name, version)
        return started

    def activate(self, name: str, version: str) -> None:
        self.publish(endpoints=tuple(
            replace(one, active=version) if one.name == name else one
            for one in self.snapshot.endpoints
        ))  # fmt: skip

    def change(self, name: str, version: str, **changes: Any) -> None:
        """Change the route of one version."""
        self.publish(endpoints=tuple(
            one if one.name != name else replace(one, versions=tuple(
                replace(route, **changes) if route.version == version else route
                for route in one.versions
            ))
            for one in self.snapshot.endpoints
        ))  # fmt: skip

    def key(self, *endpoints: str, consumer: str = "tester", **fields: Any) -> str:
        """A new key for `endpoints`, as its text."""
        minted = mint_key(secrets.token_bytes)
        stored = StoredKey(minted.key_id, consumer, minted.digest, endpoints, **fields)
        self.publish(keys=(*self.snapshot.keys, stored))
        return minted.text.reveal()

    def publish(self, **changes: Any) -> None:
        """Change the snapshot and have the gateway read it."""
        self.snapshot = replace(self.snapshot, sequence=self.snapshot.sequence + 1, **changes)
        self.write()
        for admin in self.admins:
            answer = admin.post("/reload").json()
            assert answer == {"sequence": self.snapshot.sequence}, self.log

    def write(self) -> None:
        file = self.folder / "snapshot.new"
        file.write_bytes(msgspec.json.encode(self.snapshot))
        os.replace(file, self.folder / "snapshot.json")

    def wait_ready(self, name: str, version: str) -> None:
        url = f"/endpoints/{name}/versions/{version}/ping"
        wait_until(lambda: self.client.get(url).status_code == 200)

    # --- requests -------------------------------------------------------------------------------

    def predict(
        self,
        name: str,
        body: Any,
        key: str,
        *,
        path: str = "",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST `body` (bytes, or what becomes JSON) to invocations."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        return self.client.post(
            f"/endpoints/{name}{path}/invocations", content=content, headers=own | (headers or {})
        )

    def _answers(self, number: int) -> bool:
        assert self.gateways[number].poll() is None, self.log
        try:
            return self.admins[number].get("/stats").is_success
        except httpx.TransportError:
            return False


def _by_value(model: Any) -> bytes:
    """`model` pickled with the classes and functions of the test module that made it."""
    module = sys.modules.get(getattr(model, "__module__", type(model).__module__))
    ours = module is not None and module.__name__.startswith("tests.")
    if ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(model)
    finally:
        if ours:
            cloudpickle.unregister_pickle_by_value(module)
