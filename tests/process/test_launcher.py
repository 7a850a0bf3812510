"""Replicas forked from a launcher: as good as replicas started plainly, and much sooner."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from jupyter_deploy.client.process_state import is_stopped
from jupyter_deploy.replica.launcher import ENVIRONMENT
from jupyter_deploy.replica.spec import EXIT_NO_ROOM
from jupyter_deploy.supervisor.launch import pool_sizes
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.processes import Order, environment
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.wire.frames import FrameReader, Kind, pack_frame
from jupyter_deploy.wire.messages import PredictRequest, pack_request, unpack_answer
from tests.faults.disk import small_disk
from tests.frames import receive_frame
from tests.process.specs import spec_of
from tests.process.stack import ended
from tests.support import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="replicas are forked on Linux only")


class Running:
    """A launcher, and one connection to it."""

    def __init__(self, folder, *modules, path=None):
        self.socket = folder / "launcher"
        environment = os.environ | ENVIRONMENT
        if path is not None:
            environment["PYTHONPATH"] = f"{path}{os.pathsep}{environment.get('PYTHONPATH', '')}"
        command = [sys.executable, "-m", "jupyter_deploy.replica.launcher", str(self.socket)]
        self.process = subprocess.Popen([*command, *modules], env=environment)
        wait_until(self.socket.exists, 30)
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(20)
        self.connection.connect(str(self.socket))
        self._lines = self.connection.makefile()

    def order(self, **fields):
        self.connection.sendall(json.dumps(fields).encode() + b"\n")
        return self.read()

    def read(self):
        return json.loads(self._lines.readline())

    def close(self):
        self._lines.close()
        self.connection.close()
        self.process.terminate()
        assert self.process.wait(10) == 0


@pytest.fixture
def folder():
    # A Unix socket's path is short, pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="jd-") as name:
        yield Path(name)


@pytest.fixture
def launcher(folder):
    running = Running(folder, "numpy", "there_is_no_such_module")
    yield running
    running.close()


def predict(path, rows):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        payload = pack_request(PredictRequest([np.array(rows)], len(rows), 10.0))
        connection.sendall(pack_frame(Kind.PREDICT, 1, payload))
        frame = receive_frame(connection, FrameReader())
    assert frame.kind is Kind.PREDICTED
    return unpack_answer(frame.payload).arrays[0].tolist()


def test_a_forked_replica_serves_and_its_end_is_told(launcher, folder):
    spec = spec_of(folder, lambda rows: rows.sum(axis=1))
    pid = launcher.order(spec=spec, log=str(folder / "log"), environment={"LANG": "C"})["pid"]
    wait_until((folder / "replica").exists)
    assert predict(str(folder / "replica"), [[1.0, 2.0], [3.0, 4.0]]) == [3.0, 7.0]
    os.kill(pid, signal.SIGKILL)
    said = launcher.read()
    assert (said["exited"], said["status"]) == (pid, signal.SIGKILL)
    assert 5e6 < said["peak_bytes"] < 5e9


def test_a_forked_replica_whose_note_finds_no_room_says_that_it_is_not_its_model(
    launcher, folder, tmp_path
):
    with small_disk(tmp_path / "disk", "1m") as disk:
        spec = spec_of(disk.folder, lambda rows: rows.sum(axis=1))
        before = sorted(disk.folder.iterdir())
        with disk.full():
            pid = launcher.order(spec=spec, log=str(folder / "log"), environment={})["pid"]
            said = launcher.read()
        assert (said["exited"], os.waitstatus_to_exitcode(said["status"])) == (pid, EXIT_NO_ROOM)
        assert sorted(disk.folder.iterdir()) == before


def test_a_forked_replica_is_in_a_session_of_its_own_and_holds_nothing_of_the_launcher(
    launcher, folder
):
    spec = spec_of(folder, lambda rows: rows.sum(axis=1))
    pid = launcher.order(spec=spec, log=str(folder / "log"), environment={})["pid"]
    wait_until((folder / "replica").exists)
    assert os.getsid(pid) == pid
    assert (folder / "spec.pid").read_text().split()[0] == str(pid)
    replica = psutil.Process(pid)
    names = {connection.laddr for connection in replica.net_connections("unix")}
    assert str(launcher.socket) not in names
    assert os.readlink(f"/proc/{pid}/fd/1") == str(folder / "log")
    os.kill(pid, signal.SIGTERM)
    said = launcher.read()
    assert (said["exited"], said["status"]) == (pid, 0)


def test_replicas_outlive_their_launcher(folder):
    running = Running(folder, "numpy")
    spec = spec_of(folder, lambda rows: rows.sum(axis=1))
    pid = running.order(spec=spec, log=str(folder / "log"), environment={})["pid"]
    wait_until((folder / "replica").exists)
    replica = psutil.Process(pid)
    running.close()
    assert predict(str(folder / "replica"), [[1.0, 2.0]]) == [3.0]
    replica.terminate()
    wait_until(lambda: not replica.is_running() or replica.status() == psutil.STATUS_ZOMBIE)


def test_a_replica_that_cannot_load_its_model_says_so_with_its_exit_status(launcher, folder):
    spec = spec_of(folder, len)
    (folder / "model" / "function.pkl").write_bytes(b"not a pickle")
    pid = launcher.order(spec=spec, log=str(folder / "log"), environment={})["pid"]
    ended = launcher.read()
    assert (ended["exited"], os.waitstatus_to_exitcode(ended["status"])) == (pid, 78)
    assert json.loads((folder / "report.json").read_text())["stage"] == "load"


def test_a_library_that_starts_threads_is_not_forked(folder):
    source = (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    (folder / "starts_a_thread.py").write_text(source)
    running = Running(folder, "starts_a_thread", path=folder)
    answer = running.order(spec="none", log="none", environment={})
    running.close()
    assert answer == {"refused": "a library has started 1 threads"}


def test_pandas_and_numpy_leave_the_launcher_with_one_thread(folder):
    running = Running(folder, "numpy", "pandas")
    threads = psutil.Process(running.process.pid).num_threads()
    running.close()
    assert threads == 1


def largest_pool():
    """A model that answers with the threads of its largest pool; pickled by value."""

    def model(rows):
        from threadpoolctl import threadpool_info

        return [max(pool["num_threads"] for pool in threadpool_info())] * len(rows)

    return model


def test_a_replica_that_is_not_forked_takes_its_share_of_the_cores_only(folder):
    """Two replicas on two cores: one thread each, though the machine would give a pool more."""
    order = Order([sys.executable, "-m", "jupyter_deploy.replica", spec_of(folder, largest_pool())],
                  {name: value for name, value in environment({}).items() if "THREADS" not in name},
                  folder, folder / "log")  # fmt: skip
    settings = Settings(home=folder, run=folder)

    async def serve() -> None:
        process = await Launchers(settings).start(order, pool_sizes(cores=2, replicas=2))
        try:
            await asyncio.to_thread(wait_until, (folder / "replica").exists, 60)
            assert predict(str(folder / "replica"), [[1.0, 2.0]]) == [1]
        finally:
            process.kill()

    asyncio.run(serve())


def warm_launchers(folder, *, for_later=False):
    settings = Settings(home=folder / "home", run=folder)
    settings.make_folders()
    launchers = Launchers(settings)
    launchers.warm(sys.executable, {}, for_later=for_later)
    return launchers


def order_in(folder):
    """Of a replica of its own."""
    folder.mkdir()
    spec = spec_of(folder, lambda rows: rows.sum(axis=1))
    argv = [sys.executable, "-m", "jupyter_deploy.replica", spec]
    return Order(argv, environment({}), folder.parent, folder.parent / "log")


def test_a_fork_that_comes_too_late_is_ended_as_the_replica_was_started_plainly(
    folder, monkeypatch
):
    monkeypatch.setattr("jupyter_deploy.supervisor.launchers._FORK_SECONDS", 0.3)
    # It is stopped only after it was looked at.
    monkeypatch.setattr("jupyter_deploy.supervisor.launchers.is_stopped", lambda _: False)

    async def serve() -> None:
        launchers = warm_launchers(folder)
        first = await launchers.start(order_in(folder / "first"), {})
        warm = psutil.Process(psutil.Process(first.pid).ppid())
        assert warm.pid != os.getpid()
        warm.suspend()
        plain = await launchers.start(order_in(folder / "late"), {})
        assert psutil.Process(plain.pid).ppid() == os.getpid()
        warm.resume()
        monkeypatch.setattr("jupyter_deploy.supervisor.launchers._FORK_SECONDS", 30.0)
        # It answers in order, so that the late one has been forked and heard of by now.
        last = await launchers.start(order_in(folder / "last"), {})
        try:
            await asyncio.to_thread(
                wait_until, lambda: {one.pid for one in warm.children()} == {first.pid, last.pid}
            )
        finally:
            for process in (first, plain, last):
                process.kill()
            await launchers.close()

    asyncio.run(serve())


def test_a_stopped_launcher_is_replaced_and_its_replicas_go_on(folder):
    async def serve() -> None:
        launchers = warm_launchers(folder)
        first = await launchers.start(order_in(folder / "first"), {})
        warm = psutil.Process(psutil.Process(first.pid).ppid())
        warm.suspend()
        wait_until(lambda: is_stopped(warm.pid))
        plain = await launchers.start(order_in(folder / "plain"), {})
        assert psutil.Process(plain.pid).ppid() == os.getpid()
        await asyncio.to_thread(wait_until, lambda: ended(warm.pid))
        launchers.warm(sys.executable, {})
        forked = await launchers.start(order_in(folder / "forked"), {})
        try:
            assert psutil.Process(forked.pid).ppid() not in (os.getpid(), warm.pid)
            await asyncio.to_thread(wait_until, (folder / "first" / "replica").exists, 60)
            assert predict(str(folder / "first" / "replica"), [[1.0, 2.0]]) == [3.0]
        finally:
            for process in (first, plain, forked):
                process.kill()
            await launchers.close()

    asyncio.run(serve())


def test_a_replica_does_not_wait_for_a_launcher_that_is_warmed_for_later(folder):
    async def serve() -> None:
        launchers = warm_launchers(folder, for_later=True)
        await asyncio.to_thread(wait_until, lambda: launching(folder))
        (warming,) = launching(folder)
        warming.suspend()
        plain = await asyncio.wait_for(launchers.start(order_in(folder / "plain"), {}), 60)
        assert psutil.Process(plain.pid).ppid() == os.getpid()
        warming.resume()
        # A deploy asks for the same one, and gets it.
        launchers.warm(sys.executable, {})
        forked = await launchers.start(order_in(folder / "forked"), {})
        try:
            assert psutil.Process(forked.pid).ppid() == warming.pid
        finally:
            for process in (plain, forked):
                process.kill()
            await launchers.close()

    asyncio.run(serve())


def test_where_there_can_be_no_launcher_replicas_are_started_plainly(folder):
    async def serve() -> None:
        settings = Settings(home=folder / "home", run=folder)
        settings.make_folders()
        launchers = Launchers(settings)
        # Something else has the name of its socket.
        launchers._path(sys.executable, environment({})).mkdir()
        for name in ("first", "next"):
            launchers.warm(sys.executable, {})
            plain = await launchers.start(order_in(folder / name), {})
            assert psutil.Process(plain.pid).ppid() == os.getpid()
            plain.kill()
        await launchers.leave()

    asyncio.run(serve())


def launching(folder):
    """The launchers of `folder` that this process has started."""
    return [one for one in psutil.Process().children() if socket_of(one).parent == folder]


def socket_of(process):
    try:
        return Path(process.cmdline()[3])
    except (psutil.Error, IndexError):  # one of another test, which nobody has waited for
        return Path()


def test_torch_in_a_forked_replica_has_the_threads_of_its_share(folder):
    torch = pytest.importorskip("torch")
    running = Running(folder, "torch")  # with its OpenMP runtime, told of one thread
    spec = spec_of(folder, lambda rows: [torch.get_num_threads()] * len(rows))
    share = pool_sizes(cores=2, replicas=1)
    pid = running.order(spec=spec, log=str(folder / "log"), environment=share)["pid"]
    try:
        wait_until((folder / "replica").exists, 60)
        assert predict(str(folder / "replica"), [[1.0, 2.0]]) == [2]
    finally:
        os.kill(pid, signal.SIGKILL)
        running.close()


def test_each_replica_gets_its_share_of_the_cores_and_at_least_one_thread():
    assert pool_sizes(cores=16, replicas=3)["OMP_NUM_THREADS"] == "5"
    assert set(pool_sizes(cores=2, replicas=8).values()) == {"1"}
