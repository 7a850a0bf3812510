"""Where people work: a Jupyter server or a kernel that dies takes nothing along."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_deploy.errors import NotFound
from tests.faults.failpoints import Kernels
from tests.faults.load import Load
from tests.faults.scene import NAME, Scene, kill
from tests.faults.slowness import wait_scaled
from tests.server.jupyter import TOKEN, JupyterServer
from tests.support import wait_until

#: Asks for what happens next on as many connections as a browser has, and waits.
_BROWSER = """
import signal, socket, sys
from urllib.parse import urlsplit
asked = urlsplit(sys.argv[1])
head = f"GET {asked.path}?{asked.query} HTTP/1.1\\r\\nHost: {asked.netloc}\\r\\n"
tabs = [socket.create_connection((asked.hostname, asked.port)) for _ in range(6)]
for tab in tabs:
    tab.sendall(f"{head}Authorization: token {sys.argv[2]}\\r\\n\\r\\n".encode())
print("asked", flush=True)
signal.pause()
"""


def browse_and_die(server: JupyterServer, after: int) -> None:
    """A browser that waits for events, and is killed."""
    url = f"{server.url}events?after={after}&wait=30"
    arguments = [sys.executable, "-c", _BROWSER, url, TOKEN]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as browser:
        assert browser.stdout is not None
        assert browser.stdout.readline() == b"asked\n"
        browser.kill()


@contextlib.contextmanager
def jupyter(folder: Path) -> Iterator[JupyterServer]:
    server = JupyterServer(folder)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def seen(server: JupyterServer) -> list[tuple[str, list[int]]]:
    """The endpoints with the pids of their replicas, as the sidebar gets them."""
    headers = {"authorization": f"token {TOKEN}"}
    answer = httpx.get(f"{server.url}status", headers=headers, timeout=30)
    found = answer.json()["endpoints"] if answer.is_success else []
    return [
        (one["name"], sorted(each["pid"] for v in one["versions"] for each in v["replicas"]))
        for one in found
    ]


def test_a_killed_browser_or_jupyter_server_takes_nothing_along_and_sees_all_again(
    scene: Scene, load: Load, chance: random.Random, tmp_path: Path
) -> None:
    everything = [(NAME, sorted(scene.replicas))]
    supervisor, gateway = scene.one.supervisor_pid(), scene.gateway
    with jupyter(tmp_path / "first") as server:
        wait_scaled(lambda: seen(server) == everything, 3.0)
        browse_and_die(server, scene.last_event())
        wait_scaled(lambda: seen(server) == everything, 3.0)
        load.after(50)
        browse_and_die(server, scene.last_event())
        kill(server.process.pid)
        server.process.wait()
    load.after(50)
    with jupyter(tmp_path / "second") as server:
        wait_scaled(lambda: seen(server) == everything, 3.0)
        assert (scene.one.supervisor_pid(), scene.gateway) == (supervisor, gateway)
    load.after(50)
    load.stop().nobody_noticed()


@pytest.fixture
def kernels(scene: Scene) -> Iterator[Kernels]:
    kernels = Kernels.start()
    yield kernels
    kernels.close()


def test_a_kernel_killed_in_a_deploy_leaves_all_of_it_or_nothing(
    scene: Scene, load: Load, chance: random.Random, kernels: Kernels
) -> None:
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(kernels.deploy, "notebook")
        kernel = wait_until(lambda: psutil.Process(kernels.process.pid).children(), 30)[0]
        load.after(chance.randrange(1, int(3 * scene.peak)))
        with contextlib.suppress(psutil.NoSuchProcess):
            kernel.kill()
        how = ended.result(60)
    print(how)
    wait_scaled(lambda: whole_or_nothing(scene, "notebook"), 30.0)
    again = kernels.deploy("notebook")
    assert again.startswith("deployed "), again
    assert scene.one.predict("notebook") == pytest.approx([3.0, 7.0])
    load.after(50)
    load.stop().nobody_noticed()


def whole_or_nothing(scene: Scene, name: str) -> bool:
    if list((scene.one.home / "staging").iterdir()):
        return False
    try:
        return scene.one.endpoint(name).active is not None
    except NotFound:
        return True
