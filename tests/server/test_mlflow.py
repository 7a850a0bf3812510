"""What goes to the MLflow UI and what comes back, seen from where MLflow listens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import httpx
import pytest

from jupyter_deploy.server import mlflow_routes
from tests.server.jupyter import API, TOKEN, JupyterServer
from tests.server.test_forwarding import Recorder, server, socket  # noqa: F401 - fixtures


class Mlflow(Recorder):
    """Stands where MLflow's UI does; what arrives is written into a list of its own."""

    seen = []  # noqa: RUF012 - the list of this class, not of Recorder
    answer = (200, "text/html", b"<html>")
    #: How much of what it announces it does not send before it goes; None: it says nothing at all.
    missing: int | None = 0

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self.close_connection = self.missing != 0
        if self.missing is not None:
            super().do_GET()

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-Length":
            value = str(int(value) + (self.missing or 0))
        super().send_header(keyword, value)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mlflow) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{listener.server_port}"
        listener.shutdown()


@pytest.fixture
def ui(server: JupyterServer, address: str) -> Iterator[httpx.Client]:  # noqa: F811
    Mlflow.seen.clear()
    Mlflow.missing = 0
    Recorder.seen.clear()
    status = {"registry": {"ui_url": address}}
    Recorder.answer = (200, "application/json", json.dumps(status).encode())
    server.allow("read write execute")
    headers = {"authorization": f"token {TOKEN}", "cookie": "a=b", "x-xsrftoken": "c"}
    root = f"{server.url.removesuffix(API)}jupyter-deploy/mlflow/"
    with httpx.Client(base_url=root, headers=headers, timeout=60.0) as client:
        yield client


def test_while_mlflow_is_not_there_the_page_says_so_and_looks_again(ui):
    Recorder.answer = (200, "application/json", b'{"registry": {"ui_url": null}}')
    gone = ui.get("")
    assert gone.status_code == 503
    assert "location.reload()" in gone.text
    elsewhere = b'{"registry": {"ui_url": "http://10.0.0.1:1"}}'
    Recorder.answer = (200, "application/json", elsewhere)
    assert ui.get("").status_code == 503, "it is on loopback or nowhere"
    assert not Mlflow.seen


def test_no_cookie_or_token_goes_to_mlflow_and_no_cookie_comes_back(ui):
    answer = ui.get("", params={"token": TOKEN, "o": "1"})
    assert (answer.status_code, answer.text) == (200, "<html>")
    ((asked, headers, _),) = Mlflow.seen
    assert asked == "GET /?o=1"
    assert TOKEN not in str(headers)
    assert set(headers) == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert headers["host"].startswith("127.0.0.1:"), "MLflow refuses hosts that it does not know"
    assert "the-supervisor" not in str(answer.headers)


def test_a_change_needs_the_right_to_execute_and_has_the_supervisor_look(ui, server):  # noqa: F811
    path = "ajax-api/2.0/mlflow/registered-models/alias"
    server.allow("read")
    assert ui.post(path, json={}).status_code == 403
    assert ui.post("ajax-api/2.0/mlflow/runs/search", json={}).status_code == 200
    server.allow("read execute")
    Mlflow.seen.clear()
    assert ui.post(path, json={"alias": "active"}).status_code == 200
    ((asked, _, body),) = Mlflow.seen
    assert (asked, json.loads(body)) == (f"POST /{path}", {"alias": "active"})
    assert "POST /api/registry-look" in [asked for asked, _, _ in Recorder.seen]


def test_somebody_without_a_login_reaches_nothing(ui):
    for method in ("GET", "POST", "DELETE"):
        headers = {"authorization": ""}
        answer = ui.request(method, "ajax-api/2.0/mlflow/runs/search", headers=headers)
        assert answer.status_code in (302, 403)
    assert not Mlflow.seen


def test_a_logged_file_runs_no_script_on_this_origin(ui):
    of_a_model = "ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files"
    for path in ("get-artifact", "model-versions/get-artifact", of_a_model):
        policy = ui.get(path, params={"path": "a.html"}).headers["content-security-policy"]
        assert "sandbox allow-scripts" in policy, path
    for path in ("", "static-files/static/js/main.js"):
        assert "sandbox" not in ui.get(path).headers["content-security-policy"]


def test_an_answer_that_breaks_off_is_not_taken_for_all_of_it(ui):
    Mlflow.missing = 100
    with pytest.raises(httpx.RemoteProtocolError):
        ui.get("static-files/static/js/main.js")


def test_where_mlflow_goes_without_an_answer_it_is_said(ui):
    Mlflow.missing = None
    answer = ui.get("graphql")
    assert answer.status_code == 502
    assert "MLflow gave no answer" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "", "read"),
        ("GET", "static-files/static/js/main.c2f5f8d4.js", "read"),
        ("GET", "ajax-api/2.0/mlflow/registered-models/get", "read"),
        ("GET", "model-versions/get-artifact", "read"),
        ("POST", "graphql", "read"),
        ("POST", "ajax-api/2.0/mlflow/experiments/search", "read"),
        ("POST", "ajax-api/3.0/mlflow/traces/search", "read"),
        ("POST", "ajax-api/2.0/mlflow/registered-models/alias", "execute"),
        ("DELETE", "ajax-api/2.0/mlflow/registered-models/alias", "execute"),
        ("PATCH", "ajax-api/2.0/mlflow/model-versions/update", "execute"),
        ("POST", "ajax-api/2.0/mlflow/runs/delete", "execute"),
        ("PUT", "ajax-api/2.0/mlflow/runs/log-metric", None),
        ("POST", "ajax-api/2.0/mlflow/gateway-proxy", None),
        ("GET", "ajax-api/3.0/mlflow/gateway/secrets/list", None),
        ("POST", "ajax-api/3.0/mlflow/assistant", None),
        ("GET", "api/2.0/mlflow/registered-models/get", None),
        ("GET", "static-files/../../etc/passwd", None),
        ("GET", "static-files/%2e%2e/x", None),
        ("GET", "static-files/%2E%2e%2fajax-api%2F2.0", None),
        ("POST", "ajax-api/2.0/mlflow/runs/..%2f..%2fgateway-proxy/search", None),
        ("GET", "static-files/a%2fb..js", "read"),
        ("GET", "\n", None),
    ],
)
def test_what_is_passed_on_and_with_which_right(method, path, right):
    assert mlflow_routes.right(method, path) == right


@pytest.mark.parametrize(
    ("site", "origin", "fine"),
    [
        ("same-origin", None, True),
        ("cross-site", "http://here:1", False),
        ("same-site", "http://here:1", False),
        (None, "http://here:1", True),
        (None, "http://elsewhere:1", False),
        (None, None, False),
    ],
)
def test_a_change_comes_from_a_page_of_this_very_server(site, origin, fine):
    assert mlflow_routes.same_site(site, origin, "here:1") == fine
