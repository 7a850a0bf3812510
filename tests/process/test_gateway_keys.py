"""Keys and limits as callers meet them."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import httpx
import pytest


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer  {key}"},
        lambda key: {"X-API-Key": key},
        lambda key: {"Authorization": _basic("anyone", key)},
        lambda key: {"Authorization": _basic(key, "")},
    ],
)
def test_a_key_may_be_sent_in_every_way_that_clients_know(stack, key, headers):
    answer = stack.client.post("/endpoints/total/invocations", json={"inputs": [[1, 2]]},
                               headers=headers(key))  # fmt: skip
    assert answer.json() == {"predictions": [3.0]}


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {},
        lambda key: {"Authorization": ""},
        lambda key: {"Authorization": "Bearer"},
        lambda key: {"Authorization": "Bearer x"},
        lambda key: {"Authorization": f"Bearer {key[:-1]}{'a' if key[-1] != 'a' else 'b'}"},
        lambda key: {"Authorization": f"Bearer {key} {key}"},
        lambda key: {"Authorization": f"Bearer {'x' * 20_000}"},
        lambda key: {"Authorization": "Basic !!!"},
        lambda key: {"Authorization": _basic("", "")},
        lambda key: {"X-API-Key": key.lower()},
    ],
)
@pytest.mark.parametrize("path", ["/endpoints/total", "/endpoints/no-such-one"])
def test_without_a_valid_key_every_endpoint_is_a_401(stack, key, headers, path):
    answer = stack.client.post(f"{path}/invocations", json={"inputs": [[1, 2]]},
                               headers=headers(key))  # fmt: skip
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("#unauthorized")
    schemes = answer.headers.get_list("www-authenticate")
    assert [scheme.partition(" ")[0] for scheme in schemes] == ["Bearer", "Basic"]
    assert key not in answer.text


def test_a_key_without_the_right_gets_403_whether_or_not_there_is_such_an_endpoint(stack):
    other = stack.key("elsewhere")
    details = set()
    for name in ("total", "no-such-one"):
        answer = stack.predict(name, {"inputs": [[1, 2]]}, other)
        assert answer.status_code == 403
        details.add(answer.json()["detail"].replace(name, "NAME"))
    assert len(details) == 1


def test_a_key_with_the_right_to_what_is_not_deployed_gets_404(stack, key):
    assert stack.predict("gone", {"inputs": [[1, 2]]}, key).status_code == 404
    assert stack.client.get("/elsewhere").status_code == 404


def test_an_expired_key_is_refused(stack):
    text = stack.key("total", expires_at=time.time() + 3600)
    assert stack.predict("total", {"inputs": [[1, 2]]}, text).status_code == 200
    late = stack.key("total", expires_at=time.time() - 1)
    assert stack.predict("total", {"inputs": [[1, 2]]}, late).status_code == 401


def test_a_revoked_key_is_refused_on_a_kept_alive_connection(stack):
    text = stack.key("total")
    with httpx.Client(base_url=stack.url, headers={"X-API-Key": text}) as client:
        body = {"inputs": [[1, 2]]}
        assert client.post("/endpoints/total/invocations", json=body).status_code == 200
        stack.publish(keys=stack.snapshot.keys[:-1])
        assert client.post("/endpoints/total/invocations", json=body).status_code == 401


def test_the_old_secret_of_a_rotated_key_is_good_until_its_time(stack):
    old = stack.key("total")
    stored = stack.snapshot.keys[-1]
    others = stack.snapshot.keys[:-1]
    for until, status in ((time.time() + 60, 200), (time.time() - 1, 401)):
        changed = replace(stored, digest="0" * 64, previous_digest=stored.digest,
                          previous_until=until)  # fmt: skip
        stack.publish(keys=(*others, changed))
        assert stack.predict("total", {"inputs": [[1, 2]]}, old).status_code == status


def test_a_key_with_a_rate_is_told_where_it_stands_and_refused_when_over(stack):
    text = stack.key("total", rate="3/hour")
    body = {"inputs": [[1, 2]]}
    answers = [stack.predict("total", body, text) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers[:3]] == [
        '"default";r=2;t=1200', '"default";r=1;t=2400', '"default";r=0;t=3600',
    ]  # fmt: skip
    last = answers[3]
    assert last.headers["ratelimit-policy"] == '"default";q=3;w=3600'
    assert last.headers["ratelimit"] == f'"default";r=0;t={last.headers["retry-after"]}'
    assert 1100 < int(last.headers["retry-after"]) <= 1200
    assert last.json()["type"].endswith("#over-limit")


def test_a_bucket_survives_a_change_of_routes_and_is_the_same_on_every_path(stack):
    text = stack.key("total", rate="2/hour")
    assert (
        stack.predict("total", {"inputs": [[1]]}, text).headers["ratelimit"][:13] == '"default";r=1'
    )
    stack.publish()
    assert stack.client.get("/v2/models/total", headers={"X-API-Key": text}).status_code == 200
    assert stack.client.get("/metrics", headers={"X-API-Key": text}).status_code == 429
