"""A registered model becomes an endpoint without a notebook, through the Jupyter server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from jupyter_deploy.client.discovery import running
from jupyter_deploy.client.models import StepStatus
from jupyter_deploy.errors import NotFound, UsageError
from jupyter_deploy.registry import location
from jupyter_deploy.server.registry_deploys import (
    RegistryDeploy,
    RegistryDeploys,
    RegistryOrder,
    heard,
)
from tests.server.test_extension import api, home, server  # noqa: F401 - fixtures
from tests.support import wait_until

DEPLOY_SECONDS = 180.0
KNOWN = RegistryDeploy("0" * 16, "models:/churn/3", "churn")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"uri": "models:/churn/3"},
        {"uri": "models:/churn/3", "name": "Not A Name"},
        {"uri": "runs:/0/model", "name": "churn"},
        {"uri": "/etc/passwd", "name": "churn"},
        {"uri": "models:/churn@best", "name": "churn"},
        {"uri": "models:/churn/3", "name": "churn", "stage": "yes"},
    ],
)
def test_an_order_names_a_registered_version_and_an_endpoint(body):
    with pytest.raises(UsageError):
        RegistryOrder.read(body)


def test_what_the_process_tells_is_known_and_what_it_prints_is_not():
    steps = (StepStatus("contract", "running"),)
    begun = heard(KNOWN, msgspec.json.encode({"steps": steps}))
    assert begun.steps == steps
    assert heard(begun, b"Downloading artifacts: 100%\n") == begun
    ended = msgspec.json.encode({"ended": "failed", "problem": {"detail": "No.", "fix": "Do."}})
    failed = heard(begun, ended)
    assert (failed.state, failed.detail, failed.fix) == ("failed", "No.", "Do.")
    assert failed.steps == steps


def test_nobody_ends_a_deploy_that_is_not_known():
    with pytest.raises(NotFound):
        RegistryDeploys(lambda _: None).end("0" * 16)


@pytest.fixture(scope="module")
def registered(server, home: Path) -> str:  # noqa: F811
    """The URI of a version that somebody has registered with MLflow alone."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with location.using(location.resolve("", home)):
        import mlflow

        with mlflow.start_run():
            example = [[0.5]]
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="prices", input_example=example
            )
    return "models:/prices/1"


@pytest.fixture
def started(api: httpx.Client) -> Callable[..., str]:  # noqa: F811
    def start(**order: Any) -> str:
        answer = api.post("registry-deploys", json=order)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["deploy_id"])

    return start


def state_of(api: httpx.Client, deploy_id: str) -> dict[str, Any]:  # noqa: F811
    known = api.get("registry-deploys").json()
    return next(one for one in known if one["deploy_id"] == deploy_id)


def ended(api: httpx.Client, deploy_id: str) -> dict[str, Any]:  # noqa: F811
    def look() -> dict[str, Any] | None:
        found = state_of(api, deploy_id)
        return found if found["state"] != "running" else None

    return wait_until(look, DEPLOY_SECONDS)


def test_a_registered_version_is_served_and_the_audit_says_who_wanted_it(
    api,  # noqa: F811
    started,
    registered,
):
    done = ended(api, started(uri=registered, name="prices"))
    assert (done["state"], done["detail"]) == ("done", "")
    assert {step["state"] for step in done["steps"]} == {"done"}
    assert [step["name"] for step in done["steps"]][-1] == "switch"
    with wait_until(running, 20.0) as client:
        endpoint = client.endpoint("prices")
        assert (endpoint.state, endpoint.active) == ("serving", "1.0.0")
        assert client.audit("prices")[0].origin.via == "lab"


def test_what_cannot_be_deployed_says_why_until_it_is_dismissed(api, started):  # noqa: F811
    deploy_id = started(uri="models:/nothing/1", name="nothing")
    failed = ended(api, deploy_id)
    assert failed["state"] == "failed"
    assert "no MLflow model at models:/nothing/1" in failed["detail"]
    assert failed["fix"]
    assert api.delete(f"registry-deploys/{deploy_id}").status_code == 200
    assert deploy_id not in {one["deploy_id"] for one in api.get("registry-deploys").json()}
    assert api.delete(f"registry-deploys/{deploy_id}").status_code == 404


def test_a_deploy_that_is_cancelled_leaves_nothing(api, started, registered):  # noqa: F811
    deploy_id = started(uri=registered, name="never")

    def begun() -> bool:
        return bool(state_of(api, deploy_id)["steps"])

    wait_until(begun, DEPLOY_SECONDS)
    assert api.delete(f"registry-deploys/{deploy_id}").status_code == 200
    assert ended(api, deploy_id)["state"] == "cancelled"
    assert api.get("endpoints/never").status_code == 404


def test_who_may_only_look_sees_deploys_and_begins_none(server, api):  # noqa: F811
    server.allow("read write")
    order = {"uri": "models:/prices/1", "name": "prices"}
    assert api.post("registry-deploys", json=order).status_code == 403
    assert api.delete(f"registry-deploys/{'0' * 16}").status_code == 403
    assert api.get("registry-deploys").status_code == 200


def test_an_order_that_is_none_is_refused_in_words(api):  # noqa: F811
    answer = api.post("registry-deploys", json={"uri": "runs:/0/model", "name": "x"})
    assert answer.status_code == 400
    assert "models:/NAME/NUMBER" in answer.json()["fix"]
    assert api.post("registry-deploys", content=b"{").status_code == 400
