"""The extension in a real Jupyter server, which serves nothing to who is not known."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_deploy.client.discovery import connect, running
from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.paths import run_folder
from jupyter_deploy.server.app import DeployExtension
from tests.server.jupyter import API, TOKEN, JupyterServer
from tests.support import free_port, wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("deploy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DEPLOY_HOME", str(folder))
        patch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
        yield folder
        stop_everything(folder)
        shutil.rmtree(run_folder(folder), ignore_errors=True)


@pytest.fixture(scope="module")
def server(home, tmp_path_factory) -> Iterator[JupyterServer]:
    server = JupyterServer(tmp_path_factory.mktemp("jupyter") / "server")
    wait_until(running, 60.0).close()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture
def api(server) -> Iterator[httpx.Client]:
    """Somebody with the token."""
    headers = {"authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60.0) as client:
        yield client
    server.allow("read write execute")


def supervisor(home: Path) -> Supervisor | None:
    found = Supervisor.read(home / "supervisor.json")
    return found if found is not None and found.alive() else None


def stop_everything(home: Path) -> None:
    found = supervisor(home)
    if found is None:
        return
    process = psutil.Process(found.pid)
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, 45.0)
    for left in alive:
        left.kill()
    assert not alive


def test_jupyter_finds_no_method_without_authentication(server):
    # Jupyter warns, in a line for each method, of every route that it finds open.
    log = server.log.read_text()
    assert [kind for _, kind in DeployExtension.handlers if kind.__name__ in log] == []


def test_a_request_reaches_the_supervisor_and_its_answer_comes_back(api, home):
    answer = api.get("status")
    assert answer.status_code == 200
    assert answer.json()["supervisor"]["pid"] == supervisor(home).pid
    assert answer.headers["cache-control"] == "no-store"


def test_a_problem_comes_back_with_its_status(api):
    answer = api.get("endpoints/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["type"].endswith("#not-found")


@pytest.mark.parametrize("path", ["nonsense", "ping", "endpoints/churn/secrets", "..%2f..%2fx"])
def test_what_is_not_in_the_table_is_404_here(api, path):
    answer = api.get(path)
    assert answer.status_code == 404


def test_a_body_that_is_no_object_or_too_large_stays_here(api):
    assert api.post("keys", content=b"[]").status_code == 400
    assert api.post("keys", content=b"no json").status_code == 400
    assert api.post("keys", content=b" " * 4_000_001).status_code == 413


def test_each_action_needs_its_right(server, api):
    server.allow("read")
    assert api.get("status").status_code == 200
    assert api.post("keys", json={}).status_code == 403
    assert api.post("endpoints/churn/rollback", json={}).status_code == 403
    server.allow("read write")
    assert api.post("keys", json={}).status_code in (400, 422)
    assert api.delete("endpoints/churn").status_code == 403
    server.allow("write execute")
    assert api.get("status").status_code == 403


def test_looking_does_not_count_as_activity(server, api):
    jupyter = server.url.removesuffix(API) + "api/status"
    headers = api.headers
    before = httpx.get(jupyter, headers=headers).json()["last_activity"]
    api.get("status")
    assert httpx.get(jupyter, headers=headers).json()["last_activity"] == before


def test_a_supervisor_that_was_killed_is_started_again(server, home):
    killed = supervisor(home).pid
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: (found := supervisor(home)) and found.pid != killed, 60.0)
    wait_until(running, 30.0).close()


def test_a_supervisor_that_was_stopped_stays_stopped(server, api, home):
    from jupyter_deploy.cli.app import run

    assert run(["stop"]) == 0
    answer = wait_until(lambda: (got := api.get("status")).status_code == 503 and got, 10.0)
    assert "jupyter endpoint start" in answer.json()["fix"]
    assert supervisor(home) is None
    assert not (home / "supervisor.json").exists()
    connect().close()
    assert wait_until(lambda: (got := api.get("status")).status_code == 200 and got, 10.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_jupyter_server_ends_nothing_of_ours(home, tmp_path, number):
    connect().close()
    with connect() as client:
        before = client.status()
    other = JupyterServer(tmp_path / "other")
    headers = {"authorization": f"token {TOKEN}"}
    with httpx.Client(base_url=other.url, headers=headers, timeout=60.0) as client:
        assert client.get("status").json()["supervisor"]["pid"] == before.supervisor.pid
    other.stop(number)
    with connect(start=False) as client:
        after = client.status()
    assert after.supervisor.pid == before.supervisor.pid
    assert after.gateway.pids == before.gateway.pids
    assert all(psutil.pid_exists(pid) for pid in after.gateway.pids)


def test_without_autostart_nothing_is_started(tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(home))
    other = JupyterServer(tmp_path / "other", autostart=False)
    try:
        headers = {"authorization": f"token {TOKEN}"}
        answer = httpx.get(other.url + "status", headers=headers, timeout=60.0)
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("#supervisor-unavailable")
    finally:
        other.stop()
    assert not home.exists()
