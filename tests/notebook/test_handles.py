"""Python's side of a deploy, without a notebook: the handles over a stack that really runs."""

from __future__ import annotations

import stat

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.linear_model import LogisticRegression

from jupyter_deploy import Deployment, deploy, endpoint
from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import (
    BadInput,
    DeployFailed,
    InvalidDuration,
    InvalidName,
    InvalidRate,
    InvalidVersion,
    ModelFailed,
    NotFitted,
    NotFound,
    NothingToRollBackTo,
    Unauthorized,
    Unavailable,
    UsageError,
    VersionExists,
)
from jupyter_deploy.notebook.deploying import DeployInterrupted
from jupyter_deploy.notebook.handles import endpoints
from tests.support import wait_until

RANDOM = np.random.default_rng(7)
X = pd.DataFrame(RANDOM.normal(size=(200, 3)), columns=["a", "b", "c"])
Y = np.where(X.a > 0, "Yes", "No")


def fitted(strength=1.0):
    return LogisticRegression(C=strength).fit(X, Y)


def state_of(handle):
    status = handle.status()
    versions = [(version.version, version.state) for version in status.versions]
    return status.generation, status.deploying, versions


@pytest.fixture(scope="module")
def first(home):
    return deploy(fitted(), "churn", sample=X)


@pytest.fixture(scope="module")
def second(first):
    return deploy(fitted(1e-6), "churn")


@pytest.fixture
def churn(second):
    """The endpoint with its second version active."""
    handle = endpoint("churn")
    if handle.version != second.version:
        handle.promote(second.version)
    return handle


def test_a_deployment_answers_as_the_model_does(first):
    model = fitted()
    assert first.version == "1.0.0"
    assert np.array_equal(endpoint("churn").predict(X, version="1.0.0"), model.predict(X))


def test_the_sample_is_found_among_the_names_of_the_caller(second):
    assert "from frame X, 200 rows" in repr(second.card())


def test_a_second_deploy_of_the_same_contract_is_the_next_minor(first, second):
    assert (first.version, second.version) == ("1.0.0", "1.1.0")
    assert isinstance(second, Deployment)
    assert second.url.endswith("/endpoints/churn")


def test_a_rollback_changes_what_predict_answers_and_promote_brings_it_back(churn, first, second):
    before = second.predict(X)
    changed = second.rollback()
    assert (changed.version, changed.previous) == ("1.0.0", "1.1.0")
    assert (first.state, second.state) == ("active", "standby")
    assert not np.array_equal(second.predict(X), before)
    assert np.array_equal(second.predict(X), fitted().predict(X))
    assert churn.promote().version == "1.1.0"
    assert np.array_equal(second.predict(X), before)


def test_the_history_can_be_read_by_place_and_by_version(churn):
    history = churn.versions
    assert [version.version for version in history][:2] == ["1.0.0", "1.1.0"]
    assert history[0] == history["1.0.0"]
    assert "1.1.0" in history
    assert history["1.0.0"].origin.via == "python"
    with pytest.raises(NotFound, match=r"Known: 1\.0\.0"):
        history["9.9.9"]


def test_a_bad_value_is_told_with_row_and_column(churn):
    with pytest.raises(BadInput, match=r"row 1, column 'a': expected number, got string"):
        churn.predict([{"a": 1, "b": 1, "c": 1}, {"a": "x", "b": 1, "c": 1}])


def test_a_staged_version_answers_itself_and_leaves_the_traffic_alone(churn):
    serving = churn.version
    staged = deploy(fitted(0.5), "churn", sample=X, stage=True, bump="patch")
    assert churn.version == serving
    assert staged.state == "standby"
    assert "/versions/1.1.1/invocations" in staged.curl
    assert np.array_equal(staged.predict(X), fitted(0.5).predict(X))
    staged.promote()
    assert churn.version == "1.1.1"


def test_what_raises_in_the_model_is_found_by_the_id_of_the_request(home):
    def reciprocal(frame):
        return [10 // value for value in frame["x"].astype(int).tolist()]

    made = deploy(reciprocal, "reciprocal", sample=pd.DataFrame({"x": [1.0, 2.0, 5.0]}))
    assert made.predict(pd.DataFrame({"x": [5.0]})).tolist() == [2]
    with pytest.raises(ModelFailed) as raised:
        made.predict(pd.DataFrame({"x": [0.0]}))
    assert "ZeroDivisionError" not in str(raised.value)
    errors = endpoint("reciprocal").errors
    assert raised.value.request_id in errors
    failure = errors[raised.value.request_id]
    assert "ZeroDivisionError" in failure.trace
    assert "ZeroDivisionError" in str(failure)
    assert failure.version == "1.0.0"


def test_a_key_is_a_file_that_only_its_owner_can_read(churn):
    key = churn.keys.create("crm", rate="100/minute", expires="90d")
    secret = key.file.read_text().strip()
    assert stat.S_IMODE(key.file.stat().st_mode) == 0o600
    assert secret not in repr(key) + key._repr_html_() + repr(churn.keys)
    assert key.key_id in churn.keys
    rotated = churn.keys.rotate("crm", overlap="0s")
    assert rotated.file.read_text().strip() != secret
    churn.keys.revoke(key.key_id)
    assert churn.keys[key.key_id].revoked_at is not None
    with pytest.raises(NotFound):
        churn.keys.revoke("crm")
    with pytest.raises(InvalidRate):
        churn.keys.create("crm", rate="often")


def test_a_rotated_key_of_the_notebook_goes_on_working(churn):
    churn.keys.rotate("notebook", overlap="0s")
    assert len(churn.predict(X.head())) == 5


def test_figures_are_counted(churn):
    churn.predict(X)
    figures = wait_until(lambda: f if (f := churn.metrics("1h")).rows >= 200 else None, 20.0)
    assert figures.requests > 0
    assert "In the last 1 hour." in repr(figures)
    with pytest.raises(UsageError, match="is not kept"):
        churn.metrics("1s")


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: deploy(LogisticRegression(), "churn", sample=X), NotFitted, "not fitted"),
        (lambda: deploy(fitted(), "churn", version="1.0.0"), VersionExists, "never changes"),
        (lambda: deploy(fitted(), "churn", version="0.1.0"), UsageError, "goes backwards"),
        (lambda: deploy(fitted(), "churn", sample=X[["a"]]), UsageError, "lacks the columns"),
        (lambda: deploy(fitted(), "Churn"), UsageError, "not a valid name"),
        (lambda: deploy(object(), "churn"), UsageError, "object"),
        (lambda: deploy(fitted(), None), InvalidName, "None is not a valid name"),
        (lambda: deploy(fitted(), "churn", version=1.0), InvalidVersion, "1.0 is not a version"),
        (lambda: deploy(fitted(), "churn", timeout="1m"), UsageError, "timeout of '1m'"),
        (lambda: endpoint("churn").metrics(5), InvalidDuration, "'5'"),
        (lambda: endpoint("nobody"), NotFound, "no endpoint 'nobody'"),
        (lambda: endpoint("churn").rollback("9.9.9"), NotFound, "9.9.9"),
    ],
)
def test_what_cannot_be_says_so_in_one_line_and_changes_nothing(churn, call, error, said):
    before = state_of(churn)
    with pytest.raises(error, match=said) as raised:
        call()
    assert len(raised.value._render_traceback_()) == 1
    assert state_of(churn) == before


def test_a_deploy_that_fails_leaves_what_served_serving(churn):
    before = churn.predict(X)
    with pytest.raises(DeployFailed) as raised:
        deploy(_Contrary(), "churn", sample=X)
    assert raised.value.step == "prove"
    assert np.array_equal(churn.predict(X), before)
    with connect() as client:
        assert client.endpoint("churn").deploying is None


def test_a_deploy_that_is_stopped_too_late_says_what_is_there(churn, monkeypatch, caplog):
    from jupyter_deploy import pipeline

    real = pipeline.run

    def late(*arguments, **options):
        raise pipeline.StoppedTooLate(real(*arguments, **options))

    monkeypatch.setattr(pipeline, "run", late)
    caplog.set_level("INFO", "jupyter_deploy")
    with pytest.raises(DeployInterrupted, match=r"too late to stop the deploy of 'late': 1\.0\.0"):
        deploy(fitted(), "late", sample=X)
    assert caplog.messages[-1] == "late: late 1.0.0"
    endpoint("late").undeploy()


def test_a_deploy_that_is_stopped_as_it_begins_is_not_shown_at_work(churn, monkeypatch):
    class Shown:
        ended = None

        def steps(self, steps):
            raise KeyboardInterrupt

        def end(self, card):
            self.ended = card

    shown = Shown()
    monkeypatch.setattr("jupyter_deploy.notebook.deploying.progress", lambda name: shown)
    with pytest.raises(DeployInterrupted):
        deploy(fitted(), "churn", sample=X)
    assert shown.ended.lead.endswith("goes on serving, untouched.")


def test_an_endpoint_with_one_version_has_nothing_to_go_back_to(home):
    with pytest.raises(NothingToRollBackTo):
        endpoint("reciprocal").rollback()


def test_undeploy_stops_serving_and_keeps_the_history(churn):
    handle = endpoint("reciprocal")
    handle.undeploy()
    assert handle.state == "stopped"
    assert [version.version for version in handle.versions] == ["1.0.0"]
    assert [status.name for status in endpoints()] == ["churn", "late", "reciprocal"]
    handle.rollback("1.0.0")
    assert handle.predict(pd.DataFrame({"x": [5.0]})).tolist() == [2]


def test_a_prediction_needs_no_supervisor(churn):
    with connect() as client:
        supervisor = psutil.Process(client.ping())
    supervisor.kill()
    wait_until(lambda: not supervisor.is_running() or supervisor.status() == "zombie")
    assert len(churn.predict(X)) == len(X)
    # The next question to it starts another one, which finds everything as it was.
    assert churn.state == "serving"


def test_an_endpoint_without_a_key_for_the_notebook_says_how_to_get_one(churn):
    churn._key_file = None
    with pytest.raises(Unavailable, match="%apikey create churn"):
        churn.predict(X)


class _Contrary:
    """A model whose answers depend on the process that it runs in."""

    def predict(self, frame):
        import os

        return [os.getpid()] * len(frame)


def test_a_key_that_is_not_known_is_refused(churn, tmp_path):
    (tmp_path / "key").write_text("jd_live_nothing")
    churn._key_file = str(tmp_path / "key")
    with pytest.raises(Unauthorized):
        churn.predict(X)
