"""Nothing of ours is served to who is not known, and a cookie alone changes nothing.

The routes are those of the application that Jupyter has made with the extension, so that a new one
is walked without being named here.  Jupyter's own guard (`allow_unauthenticated_access=False`) is
off, so that it does not stand in for a handler that has forgotten to ask.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex

from jupyter_deploy.server import mlflow_routes, routes
from tests.server.jupyter import API, BASE, TOKEN, JupyterServer

#: Prints the routes that have to do with us, and the methods that each of them implements.
LIST = """
import json, os
from jupyter_server.serverapp import ServerApp
from tornado.web import RequestHandler

def walk(router):
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from walk(rule.target)
        elif hasattr(rule.matcher, "regex"):
            yield rule.matcher.regex.pattern, rule.target

def is_ours(pattern, handler):
    kinds = getattr(handler, "__mro__", ())
    return "deploy" in pattern or any(k.__module__.startswith("jupyter_deploy") for k in kinds)

def methods(handler):
    missing = RequestHandler._unimplemented_method
    return [m for m in handler.SUPPORTED_METHODS if getattr(handler, m.lower()) is not missing]

app = ServerApp()
app.initialize(
    ["--ServerApp.jpserver_extensions={'jupyter_deploy': True}", "--allow-root"],
    find_extensions=False,
    new_httpserver=False,
)
print(json.dumps([(p, methods(h)) for p, h in walk(app.web_app.default_router) if is_ours(p, h)]))
"""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
#: Paths that are made up for each route of the table, some of them alike.
EXAMPLES = 4
MLFLOW = (
    "",
    "graphql",
    "get-artifact",
    "static-files/static/js/main.js",
    "ajax-api/2.0/mlflow/runs/search",
    "ajax-api/2.0/mlflow/registered-models/alias",
)


class Asked(NamedTuple):
    """A request that some handler of ours would answer."""

    method: str
    path: str


def paths(pattern: re.Pattern[str]) -> list[str]:
    """Paths that `pattern` matches, the same ones each time."""
    found: dict[str, None] = {}

    @settings(max_examples=EXAMPLES, derandomize=True, database=None)
    @given(from_regex(pattern, fullmatch=True))
    def collect(path: str) -> None:
        found[path] = None

    collect()
    return list(found)


def path_of(pattern: str, tail: str) -> str:
    """A path that Jupyter's `pattern` matches, with `tail` where it takes anything."""
    path = pattern.removesuffix("$").lstrip("/").replace("(.*)", tail)
    return path.replace("([0-9a-f]{16})", "0123456789abcdef")


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> list[Asked]:
    environment = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "HOME": "home"}
    done = subprocess.run(
        [sys.executable, "-c", LIST],
        cwd=tmp_path_factory.mktemp("list"),
        env=environment | {"PYTHONPATH": str(routes.__file__).partition("/jupyter_deploy/")[0]},
        stdout=subprocess.PIPE,
        check=True,
    )
    table = [path for route in routes.ROUTES for path in paths(route.path)]
    return [
        Asked(method, BASE + path_of(pattern, tail))
        for pattern, methods in json.loads(done.stdout)
        for tail in (MLFLOW if "/mlflow/" in pattern else table if "(.*)" in pattern else [""])
        for method in methods
        if method != "OPTIONS"  # Jupyter's own, with an empty answer
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[JupyterServer]:
    """Without a supervisor: a request that gets past Jupyter is answered with 503."""
    server = JupyterServer(
        tmp_path_factory.mktemp("jupyter") / "server", autostart=False, strict=False
    )
    yield server
    server.stop()


@pytest.fixture
def nobody(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url.removesuffix(BASE + API), timeout=60.0) as client:
        yield client


@pytest.fixture
def browser(nobody) -> httpx.Client:
    """Somebody who has logged in, with the cookies that a browser keeps."""
    nobody.get(f"{BASE}{API}status", params={"token": TOKEN})
    # Any page of Jupyter's sets the cookie, that of a path that is not there too.
    nobody.get(f"{BASE}nowhere")
    assert "_xsrf" in nobody.cookies
    return nobody


def test_every_handler_of_the_extension_is_walked(asked):
    from jupyter_deploy.server.app import DeployExtension

    for pattern, handler in DeployExtension.handlers:
        walked = {one.method for one in asked if re.search(pattern + "$", one.path)}
        assert walked
        assert {method for method in METHODS if method.lower() in vars(handler)} <= walked
    tried = {one.path.partition(API)[2] for one in asked}
    assert all(any(route.path.fullmatch(path) for path in tried) for route in routes.ROUTES)
    assert {mlflow_routes.right("POST", path) for path in MLFLOW} == {None, "read", "execute"}


@pytest.mark.parametrize("token", [None, "wrong"])
def test_no_route_answers_who_is_not_known(nobody, asked, token):
    nobody.headers.update({"authorization": f"token {token}"} if token else {})
    answered = [
        (one, answer.status_code) for one in asked if not _refused(answer := _ask(nobody, one))
    ]
    assert not answered


def _ask(client: httpx.Client, one: Asked, **more) -> httpx.Response:
    # With the origin of the server, as a page of it would: the login alone is missing.
    origin = {"origin": str(client.base_url).rstrip("/")}
    return client.request(one.method, one.path, headers=origin, **more)


def _refused(answer: httpx.Response) -> bool:
    to_login = answer.status_code == 302 and "/login?" in answer.headers["location"]
    return to_login or answer.status_code in (401, 403)


def test_the_stream_of_events_is_not_for_who_is_not_known(nobody):
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = nobody.get(f"{BASE}api/events/subscribe", headers=upgrade)
    assert answer.status_code == 403


def test_a_cookie_alone_changes_nothing(browser, asked):
    assert browser.get(f"{BASE}{API}about").status_code == 200, "the cookie is a login"
    changing = [one for one in asked if one.method in CHANGING]
    assert changing
    for one in changing:
        for headers in ({}, {"sec-fetch-site": "cross-site"}):
            answer = browser.request(one.method, one.path, headers=headers)
            assert answer.status_code == 403, (one, headers)


def test_the_same_requests_get_through_from_a_page_of_ours(browser, asked):
    browser.headers["x-xsrftoken"] = browser.cookies["_xsrf"]
    browser.headers["sec-fetch-site"] = "same-origin"
    for one in asked:
        answer = _ask(browser, one)
        # Past Jupyter: no supervisor is there, or the request is none.
        assert answer.status_code in (200, 400, 404, 405, 503), one
