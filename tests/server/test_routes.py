"""What the extension forwards, decided without a server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_deploy.server import routes
from jupyter_deploy.server.watch import LONGEST_PAUSE_SECONDS, Seen, next_pause, should_start


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "status", "read"),
        ("GET", "endpoints/churn/errors", "read"),
        ("GET", "deploys/d1", "read"),
        ("POST", "endpoints/churn/deploys", "execute"),
        ("POST", "endpoints/churn/rollback", "execute"),
        ("POST", "endpoints/churn/promote", "execute"),
        ("POST", "endpoints/churn/put-alias-back", "execute"),
        ("POST", "deploys/d1/submit", "execute"),
        ("POST", "keys", "write"),
        ("POST", "keys/abc/revoke", "write"),
        ("DELETE", "endpoints/churn", "execute"),
    ],
)
def test_each_route_has_its_right(method, path, right):
    assert routes.find(method, path).right == right


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "../status"),
        ("GET", "endpoints/../keys"),
        ("GET", "endpoints/churn/"),
        ("GET", "endpoints/Churn"),
        ("GET", "endpoints/churn%2f..%2fkeys"),
        ("GET", "status\n"),
        ("GET", "ping"),
        ("POST", "status"),
        ("PUT", "keys"),
        ("DELETE", "keys/abc"),
        ("POST", "http://elsewhere/keys"),
    ],
)
def test_what_is_not_in_the_table_is_not_forwarded(method, path):
    assert routes.find(method, path) is None


def test_every_route_that_changes_something_asks_for_more_than_reading():
    assert all((route.method == "GET") == (route.right == "read") for route in routes.ROUTES)


def test_the_person_is_the_one_that_jupyter_knows():
    told = {"origin": {"user": "root", "via": "cli", "notebook": "a.ipynb", "pid": 1}, "version": 1}
    assert routes.sign(told, "ada") == {
        "origin": {"user": "ada", "via": "lab", "notebook": "a.ipynb"},
        "version": 1,
    }


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_that_is_no_object_cannot_be_signed(body):
    with pytest.raises(ValueError, match="JSON object"):
        routes.sign(body, "ada")


def test_a_supervisor_is_started_once_and_again_only_when_it_died():
    assert should_start(Seen.NONE, first=True)
    assert should_start(Seen.DEAD, first=True)
    assert should_start(Seen.DEAD, first=False)
    assert not should_start(Seen.NONE, first=False), "it was stopped on purpose"
    assert not should_start(Seen.ALIVE, first=True)


def test_the_pause_after_failures_doubles_up_to_a_minute():
    pauses = [next_pause(0.0)]
    while pauses[-1] < LONGEST_PAUSE_SECONDS:
        pauses.append(next_pause(pauses[-1]))
    assert pauses == [1, 2, 4, 8, 16, 32, 60]


def test_the_table_knows_every_route_of_the_control_client():
    """A method of the client that the extension does not forward is a decision, listed here."""
    from jupyter_deploy.client import control

    source = re.sub(r"\s+", " ", Path(control.__file__).read_text())
    called = set(re.findall(r'_call\( ?"(GET|POST|DELETE)", f?"/api/([a-z-]+)"', source))
    served = {(r.method, part) for r in routes.ROUTES for part in r.path.pattern.split("|")}
    assert len(called) >= 8
    unserved = {(method, path) for method, path in called if (method, path) not in served}
    own = {("GET", "ping"), ("GET", "openapi"), ("POST", "hand-over")}
    assert unserved <= own
