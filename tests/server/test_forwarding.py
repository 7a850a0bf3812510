"""What leaves the Jupyter server for the supervisor, seen from the supervisor's socket."""

from __future__ import annotations

import getpass
import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import httpx
import psutil
import pytest

from jupyter_deploy.client.identity import Supervisor
from tests.server.jupyter import TOKEN, JupyterServer


class Recorder(BaseHTTPRequestHandler):
    """Stands where the supervisor does, writes down what arrives and answers as it is told."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []
    answer = (200, "application/json", b"{}")

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        # The extension's own question for news is no request of a browser.
        if not self.path.startswith("/api/events"):
            self.seen.append((f"{self.command} {self.path}", headers, body))
        status, kind, content = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", "from=the-supervisor")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jd-") as folder:
        path = Path(folder) / "s"
        with socketserver.ThreadingUnixStreamServer(str(path), Recorder) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            yield path
            server.shutdown()


@pytest.fixture(scope="module")
def server(socket, tmp_path_factory) -> Iterator[JupyterServer]:
    home = tmp_path_factory.mktemp("home")
    started = psutil.Process().create_time()
    Supervisor(os.getpid(), started, str(socket), "0").write(home / "supervisor.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DEPLOY_HOME", str(home))
        server = JupyterServer(tmp_path_factory.mktemp("jupyter") / "server", autostart=False)
        yield server
        server.stop()


@pytest.fixture
def api(server) -> Iterator[httpx.Client]:
    Recorder.seen.clear()
    Recorder.answer = (200, "application/json", b"{}")
    headers = {"authorization": f"token {TOKEN}", "cookie": "a=b", "x-secret": "c"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60.0) as client:
        yield client


def test_no_cookie_token_or_other_header_of_the_browser_goes_on(api):
    for _ in range(2):  # nor what the supervisor sets as a cookie itself
        assert api.get("status").status_code == 200
    _, (asked, headers, body) = Recorder.seen
    assert (asked, body) == ("GET /api/status", b"")
    assert set(headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}


def test_only_parameters_of_the_control_api_go_on(api):
    parameters = {"lines": "7", "version": "1.0.0", "token": TOKEN, "x": "y"}
    api.get("endpoints/churn/logs", params=parameters)
    ((asked, _, _),) = Recorder.seen
    assert asked == "GET /api/endpoints/churn/logs?lines=7&version=1.0.0"


def test_the_body_says_who_asks_as_jupyter_knows_them(api):
    told = {
        "origin": {"user": "somebody", "via": "cli", "notebook": "a.ipynb", "pid": 1},
        "version": "1.0.0",
    }
    api.post("endpoints/churn/rollback", json=told)
    api.delete("endpoints/churn")
    sent = [json.loads(body) for _, _, body in Recorder.seen]
    assert [body["origin"]["via"] for body in sent] == ["lab", "lab"]
    # Jupyter knows no more than that they have its token: they act as who started it.
    assert [body["origin"]["user"] for body in sent] == [getpass.getuser()] * 2
    assert sent[0]["origin"]["notebook"] == "a.ipynb"
    assert "pid" not in sent[0]["origin"]
    assert sent[0]["version"] == "1.0.0"


def test_a_person_whom_jupyter_knows_has_their_own_name(api):
    api.delete("endpoints/churn", headers={"x-person": "ada"})
    ((_, _, body),) = Recorder.seen
    assert json.loads(body)["origin"]["user"] == "ada"


@pytest.mark.parametrize("path", ["endpoints/churn/rollback", "secret", "registry-deploys"])
@pytest.mark.parametrize("body", [b"{", b'"\xff"', b"[" * 100_000, b"[]"])
def test_a_body_that_cannot_be_read_is_refused_in_words(api, path, body):
    answer = api.post(path, content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"detail", "fix"} <= answer.json().keys()
    assert not Recorder.seen


def test_a_submitted_manifest_goes_on_as_it_is(api):
    api.post("deploys/d1/submit", content=b'{"manifest": {"a": 1.0}}')
    ((asked, headers, body),) = Recorder.seen
    assert (asked, body) == ("POST /api/deploys/d1/submit", b'{"manifest": {"a": 1.0}}')
    assert headers["content-type"] == "application/json"


def test_status_and_problem_come_back_and_no_header_of_the_supervisor(api):
    problem = b'{"type": "x#conflict", "status": 409, "detail": "no"}'
    Recorder.answer = (409, "application/problem+json", problem)
    answer = api.post("endpoints/churn/promote", json={})
    assert (answer.status_code, answer.content) == (409, problem)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "the-supervisor" not in str(answer.headers)


def test_an_answer_that_is_not_json_does_not_come_back(api):
    Recorder.answer = (200, "text/html", b"<script>")
    answer = api.get("status")
    assert answer.status_code == 503
    assert "<script>" not in answer.text


def test_a_redirect_is_not_followed(api):
    Recorder.answer = (307, "application/json", b"{}")
    assert api.get("status").status_code == 307
    assert len(Recorder.seen) == 1
