"""A replica as its gateway and its supervisor see it: a real process on a real socket."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from jupyter_deploy.replica.spec import EXIT_CANNOT_LOAD, ColumnSpec, ReplicaSpec, TensorSpec
from jupyter_deploy.wire.frames import (
    Frame,
    FrameReader,
    Kind,
    pack_frame,
)
from jupyter_deploy.wire.messages import (
    PredictAnswer,
    PredictRequest,
    pack_request,
    unpack_answer,
)
from tests.frames import receive_frame
from tests.support import wait_until


def model(x):
    """Numbers below are orders to misbehave; all others are doubled."""
    import os
    import sys

    first = float(x.ravel()[0])
    if first == -1:
        raise ValueError("minus one" + "!" * 100_000)
    if first == -2:
        sys.exit(4)
    if first == -3:
        raise KeyboardInterrupt
    if first == -4:
        os.kill(os.getpid(), 15)  # as if the supervisor's SIGTERM came during this call
    if first == -5:
        return object()
    x *= 2  # a model may write into its input
    return x


class Peer:
    """A client of a replica."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.reader = FrameReader()
        self.waiting: list[Frame] = []

    def send(self, values, frame_id: int = 1, seconds_left: float = 30.0) -> None:
        array = np.asarray(values, dtype="f8").reshape(-1, 1)
        payload = pack_request(PredictRequest([array], len(array), seconds_left))
        self.socket.sendall(pack_frame(Kind.PREDICT, frame_id, payload))

    def receive(self) -> Frame | None:
        while not self.waiting:
            data = self.socket.recv(1 << 18)
            if not data:
                return None
            self.waiting += self.reader.feed(data)
        return self.waiting.pop(0)

    def ask(self, values, seconds_left: float = 30.0) -> Frame:
        self.send(values, seconds_left=seconds_left)
        return self.receive()


def start(folder: Path, subject=model, **changes) -> tuple[subprocess.Popen, ReplicaSpec]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    (folder / "model.pkl").write_bytes(cloudpickle.dumps(subject))
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    fields = {
        "socket": str(folder / "r.sock"),
        "report": str(folder / "report.json"),
        "model": str(folder),
        "loader": "cloudpickle",
        "file": "model.pkl",
        "trusted": (),
        "function": True,
        "form": "array",
        "columns": (),
        "tensor": TensorSpec("float", "float64", (1,)),
        "probabilities": False,
        "warmup": None,
    }
    spec = ReplicaSpec(**fields | changes)
    spec.write(folder / "spec.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_deploy.replica", str(folder / "spec.json")],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    )
    return process, spec


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="jd-"))  # tmp_path is too long for a Unix socket
    yield path
    shutil.rmtree(path)


@pytest.fixture
def replica(folder: Path) -> Iterator[tuple[subprocess.Popen, ReplicaSpec]]:
    process, spec = start(folder)
    wait_until(Path(spec.socket).exists, 30)
    yield process, spec
    process.kill()
    process.wait()


def answer(frame: Frame) -> PredictAnswer:
    assert frame.kind is Kind.PREDICTED, bytes(frame.payload)
    return unpack_answer(frame.payload)


def test_predictions_and_heartbeats_are_answered_in_order_of_arrival(replica):
    peer = Peer(replica[1].socket)
    peer.send([1, 2], 7)
    peer.socket.sendall(pack_frame(Kind.HEARTBEAT, 8))
    peer.send([3], 9)
    frames = [peer.receive() for _ in range(3)]
    assert [frame.id for frame in frames] == [7, 8, 9]
    assert answer(frames[0]).arrays[0].tolist() == [[2], [4]]
    alive = json.loads(bytes(frames[1].payload))
    assert alive["pid"] == replica[0].pid
    assert alive["served"] == 1
    assert alive["rss_bytes"] > 1 << 20


@pytest.mark.parametrize(
    ("order", "kind"),
    [(-1, "ValueError"), (-2, "SystemExit"), (-3, "KeyboardInterrupt"), (-5, "NotJson")],
)
def test_whatever_a_model_raises_fails_its_own_request_only(replica, order, kind):
    peer = Peer(replica[1].socket)
    failed = peer.ask([order])
    assert failed.kind is Kind.FAILED
    cause = json.loads(bytes(failed.payload))
    assert cause["type"] == kind
    assert len(cause["trace"]) <= 20_000
    assert answer(peer.ask([5])).arrays[0].tolist() == [[10]]


def test_an_expired_request_does_not_reach_the_model(replica):
    peer = Peer(replica[1].socket)
    assert peer.ask([1], seconds_left=0.0).kind is Kind.EXPIRED
    peer.socket.sendall(pack_frame(Kind.HEARTBEAT, 2))
    assert json.loads(bytes(peer.receive().payload))["served"] == 0


def test_a_connection_that_sends_no_frame_is_closed_and_others_are_not(replica):
    good, bad = Peer(replica[1].socket), Peer(replica[1].socket)
    bad.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert bad.receive() is None
    answers_only = Peer(replica[1].socket)
    answers_only.socket.sendall(pack_frame(Kind.PREDICTED, 1))
    assert answers_only.receive() is None
    assert answer(good.ask([1])).arrays[0].tolist() == [[2]]


def test_a_peer_that_leaves_before_its_answer_costs_only_itself(replica):
    leaver, stayer = Peer(replica[1].socket), Peer(replica[1].socket)
    leaver.send(np.ones(500_000))
    leaver.socket.close()
    assert answer(stayer.ask([1])).arrays[0].tolist() == [[2]]


def test_a_peer_that_reads_late_gets_its_large_answer_whole_while_others_are_served(replica):
    late, other = Peer(replica[1].socket), Peer(replica[1].socket)
    values = np.arange(2_000_000.0)
    late.send(values)
    assert answer(other.ask([1])).arrays[0].tolist() == [[2]]
    late.send([4], 2)
    assert (answer(late.receive()).arrays[0].ravel() == values * 2).all()
    assert answer(late.receive()).arrays[0].tolist() == [[8]]


def test_sigterm_ends_it_when_its_gateways_have_gone_and_sigint_is_ignored(replica):
    process, spec = replica
    process.send_signal(signal.SIGINT)
    gateway, supervisor = Peer(spec.socket), Peer(spec.socket)
    supervisor.socket.sendall(pack_frame(Kind.HEARTBEAT, 1))
    assert supervisor.receive() is not None
    assert answer(gateway.ask([-4])).arrays[0].tolist() == [[-8]]
    # It has been told to end, and whoever still asks is answered.
    assert answer(gateway.ask([1])).arrays[0].tolist() == [[2]]
    gateway.socket.close()
    assert process.wait(10) == 0
    assert not Path(spec.socket).exists()


def test_a_model_that_cannot_be_loaded_is_reported_and_gets_no_socket(folder):
    (folder / "broken").mkdir()
    process, spec = start(folder, file="missing.pkl")
    assert process.wait(30) == EXIT_CANNOT_LOAD
    report = json.loads((folder / "report.json").read_text())
    assert (report["stage"], report["type"]) == ("load", "FileNotFoundError")
    assert b"Traceback" in (folder / "log").read_bytes()
    assert not Path(spec.socket).exists()


def test_a_model_that_fails_on_its_warm_up_is_reported(folder):
    request = PredictRequest([np.array([[-1.0]])], 1, 30.0)
    (folder / "warm.bin").write_bytes(pack_request(request))
    process, _ = start(folder, warmup=str(folder / "warm.bin"))
    assert process.wait(30) == EXIT_CANNOT_LOAD
    report = json.loads((folder / "report.json").read_text())
    assert (report["stage"], report["type"]) == ("warm", "ValueError")


def test_the_report_names_the_packages_and_is_there_before_the_socket(replica, folder):
    report = json.loads((folder / "report.json").read_text())
    assert report["packages"]["numpy"] == np.__version__
    assert "json" not in report["packages"]
    assert report["load_seconds"] > 0


def test_a_replica_of_an_array_model_imports_nothing_but_numpy(folder):
    def loaded(x):
        import sys

        return [",".join(sorted({name.partition(".")[0] for name in sys.modules}))]

    process, spec = start(folder, loaded)
    try:
        wait_until(Path(spec.socket).exists, 30)
        names = answer(Peer(spec.socket).ask([1])).arrays[0][0].split(",")
    finally:
        process.kill()
        process.wait()
    assert not {"pandas", "mlflow", "sklearn", "msgspec"} & set(names)


def test_a_frame_has_the_columns_dtypes_and_missing_values_of_the_notebook(folder):
    def facts(frame):
        return [{
            "dtypes": [str(dtype) for dtype in frame.dtypes],
            "names": [repr(name) for name in frame.columns],
            "missing": [str(value) for value in frame.iloc[1]],
            "levels": list(frame["city"].cat.categories),
        }] * len(frame)  # fmt: skip

    strings = np.array(["a", None], dtype=object)
    columns = (
        ColumnSpec("plain", "string", "str"),
        ColumnSpec("nones", "string", "object", missing="none"),
        ColumnSpec("nans", "string", "object"),
        ColumnSpec("city", "string", "category", levels=("z", "a")),
        ColumnSpec("count", "integer", "Int64"),
        ColumnSpec("flag", "boolean", "boolean"),
        ColumnSpec("small", "float", "float32"),
        ColumnSpec("when", "datetime", "datetime64[us, Europe/Berlin]"),
        ColumnSpec("3", "float", "float64", integer_name=True),
    )
    arrays = [
        strings,
        strings,
        strings,
        strings,
        np.array([1, None], dtype=object),
        np.array([True, None], dtype=object),
        np.array([0.1, np.nan]),
        np.array(["2020-01-01T12:00:00", "NaT"], dtype="M8[ns]"),
        np.array([1.0, None], dtype=object),
    ]
    process, spec = start(folder, facts, form="frame", columns=columns, tensor=None)
    try:
        wait_until(Path(spec.socket).exists, 30)
        peer = Peer(spec.socket)
        payload = pack_request(PredictRequest(arrays, 2, 30.0))
        peer.socket.sendall(pack_frame(Kind.PREDICT, 1, payload))
        seen = answer(receive_frame(peer.socket, peer.reader)).arrays[0][0]
    finally:
        process.kill()
        process.wait()
    assert seen["dtypes"] == [column.dtype for column in columns]
    blanks = ["nan", "None", "nan", "nan", "<NA>", "<NA>", "nan", "NaT", "nan"]
    assert seen["missing"] == blanks
    assert seen["levels"] == ["z", "a"]
    assert seen["names"][-1] == "3"


def test_a_replica_of_a_function_is_up_within_seconds(folder):
    started = time.monotonic()
    process, spec = start(folder)
    try:
        wait_until(Path(spec.socket).exists, 30)
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - started < 15


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_replica_holds_at_most_30_mb_more_than_its_libraries(replica):
    script = (
        "import cloudpickle, numpy, pathlib, resource;"
        "pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1]);"
        "print(pages * resource.getpagesize())"
    )
    libraries = int(subprocess.check_output([sys.executable, "-c", script]))
    peer = Peer(replica[1].socket)
    assert answer(peer.ask(np.ones(1000))).rowwise
    peer.socket.sendall(pack_frame(Kind.HEARTBEAT, 2))
    assert json.loads(bytes(peer.receive().payload))["rss_bytes"] < libraries + 30_000_000
