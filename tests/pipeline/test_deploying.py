"""What goes wrong before a deploy is submitted leaves nothing behind; models of MLflow's own."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jupyter_deploy.core.contract import Form
from jupyter_deploy.core.manifest import LoaderKind
from jupyter_deploy.errors import (
    Conflict,
    DeployFailed,
    DeployInProgress,
    InvalidName,
    NotAModel,
    NotFitted,
    NotReproduced,
    PackageFailed,
    ReplicaFailed,
    SampleMismatch,
)
from jupyter_deploy.pipeline import StoppedTooLate, run
from jupyter_deploy.pipeline.environment import replica_environment
from jupyter_deploy.pipeline.resolve import resolve
from jupyter_deploy.registry.location import default_uri, using
from tests.pipeline.conftest import ORIGIN

connection = sqlite3.connect(":memory:")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.random((80, 3)), columns=["a", "b", "c"])
    return x, np.where(x["a"] > 0.5, "yes", "no")


@pytest.fixture(scope="module")
def fitted(data):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*data)


def registered(home):
    with using(default_uri(home)) as client:
        return [(m.name, m.version) for m in client.search_model_versions()]


async def answers_later(rows):
    return rows


@pytest.mark.parametrize(("model", "error", "says"), [
    (LogisticRegression, NotAModel, "is the class"),
    (LogisticRegression(), NotFitted, "Call .fit"),
    (make_pipeline(StandardScaler(), LogisticRegression()), NotFitted, "Call .fit"),
    (pd.DataFrame({"a": [1]}), NotAModel, "DataFrame is not a model"),
    (np.ones(3), NotAModel, "ndarray is not a model"),
    (None, NotAModel, "of type NoneType"), (3, NotAModel, "of type int has no predict"),
    (answers_later, NotAModel, "answers_later is async"),
    (StandardScaler(), NotAModel, "Give its method `transform`"),
    ("clf", NotAModel, "models:/NAME/3"), ("models:/nothing/1", NotAModel, "no MLflow model"),
    ("runs:/0123456789abcdef0123456789abcdef/model", NotAModel, "no MLflow model"),
])  # fmt: skip
def test_what_is_no_model_is_refused_in_one_sentence(supervisor, model, error, says):
    with pytest.raises(error, match=says):
        run(model, "churn", origin=ORIGIN, client=supervisor)
    assert not supervisor.begun


@pytest.mark.parametrize(("held", "classes"), [
    (["No", "Yes"], ("No", "Yes")), ((0, np.int64(1)), (0, 1)), (np.array([0, 1]), (0, 1)),
    ([np.array([0, 1]), np.array([0, 1])], None), (None, None),
])  # fmt: skip
def test_a_classifier_may_hold_its_classes_in_a_list(held, classes):
    body = {"predict": lambda self: None, "predict_proba": lambda self: None, "classes_": held}
    subject = resolve(type("Mine", (), body)())
    assert subject.classes == classes
    assert subject.has_unserved_probabilities() == (classes is None)


def test_a_bad_name_is_refused_before_anything_else(supervisor):
    with pytest.raises(InvalidName):
        run(None, "Churn!", origin=ORIGIN, client=supervisor)


@pytest.mark.parametrize(("sample", "says"), [
    (pd.DataFrame({"a": [1.0], "z": [2.0]}), "lacks the columns 'b', 'c', and has 'z' instead"),
    (np.ones((2, 3)), "fitted on a DataFrame"),
    (pd.DataFrame(columns=["a", "b", "c"]), "no rows"),
    (7, "not rows"),
])  # fmt: skip
def test_a_sample_that_is_not_the_models_is_refused(supervisor, fitted, sample, says):
    with pytest.raises(SampleMismatch, match=says):
        run(fitted, "churn", sample=sample, origin=ORIGIN, client=supervisor)


def test_columns_that_the_model_does_not_use_are_left_out_and_named(deploy, fitted, data):
    deployed, _ = deploy(fitted, sample=data[0].assign(target=data[1]))
    assert [column.name for column in deployed.manifest.contract.columns] == ["a", "b", "c"]
    assert any("'target'" in note for note in deployed.notes)


def test_a_model_that_answers_by_chance_is_stopped(supervisor, data):
    rng = np.random.default_rng()
    with pytest.raises(NotReproduced, match="called twice"):
        run(lambda x: rng.random(len(x)), "churn", sample=data[0], origin=ORIGIN, client=supervisor)


def test_a_function_that_forgets_to_return_is_stopped(supervisor, data):
    with pytest.raises(DeployFailed, match=r"answers nothing[\s\S]*needs a `return`"):
        run(print, "churn", sample=data[0], origin=ORIGIN, client=supervisor)


def test_a_model_that_uses_what_no_request_carries_is_stopped(supervisor, data):
    sample = data[0].iloc[20:40]
    with pytest.raises(
        NotReproduced, match=r"row 0: 0, in the notebook 20.*the index of the frame"
    ):
        run(lambda x: x.index, "churn", sample=sample, origin=ORIGIN, client=supervisor)


def test_a_column_that_json_changes_is_named_where_the_answers_differ(supervisor):
    sample = pd.DataFrame({"n": [1, 2], "at": [dt.time(9), dt.time(17)]})
    with pytest.raises(NotReproduced, match=r"back the column 'at' \(time, then str\)"):
        run(lambda x: x["at"].map(repr), "x", sample=sample, origin=ORIGIN, client=supervisor)


@pytest.mark.parametrize(("function", "sample", "says"), [
    (lambda x: x["n"], pd.DataFrame({"n": [b"a"]}), "sample cannot be sent: a value of type b"),
    (lambda x: x["n"], pd.DataFrame({"n": [dt.datetime(2300, 1, 1)]}), "cannot be sent: Out of b"),
    (lambda x: x["n"] * 1j, pd.DataFrame({"n": [1]}), "sent: a value of type builtins.complex"),
])  # fmt: skip
def test_what_json_cannot_say_is_named_with_its_type(supervisor, function, sample, says):
    with pytest.raises((DeployFailed, SampleMismatch), match=says):
        run(function, "churn", sample=sample, origin=ORIGIN, client=supervisor)


def test_a_global_that_cannot_travel_is_named_and_nothing_is_left(supervisor, data, home):
    def answer(x):
        return [connection.execute("select 1").fetchone()[0]] * len(x)

    before = registered(home)
    with pytest.raises(PackageFailed, match=r"global `connection` \(sqlite3.Connection\)"):
        run(answer, "churn", sample=data[0], origin=ORIGIN, client=supervisor)
    assert supervisor.aborted == ["d1"]
    assert registered(home) == before


@pytest.mark.parametrize("stop", [KeyboardInterrupt, DeployInProgress("churn", "bob", "noon")])
def test_a_deploy_cut_at_its_submission_leaves_no_version_in_mlflow(
    supervisor, fitted, data, home, monkeypatch, stop
):
    before, folders = registered(home), set((home / "mlflow").rglob("MLmodel"))

    def cut(*_):
        raise stop

    monkeypatch.setattr(supervisor, "submit_deploy", cut)
    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        run(fitted, "cut", sample=data[0], origin=ORIGIN, client=supervisor)
    assert supervisor.aborted == ["d1"]
    assert registered(home) == before
    assert set((home / "mlflow").rglob("MLmodel")) == folders


@pytest.mark.parametrize("state", ["running", "done"])
def test_a_deploy_that_is_stopped_too_late_is_told_as_what_it_is(
    supervisor, fitted, data, monkeypatch, state
):
    ask, asked = supervisor.deploy_status, []

    def answered(deploy_id, *more):
        asked.append(more)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return replace(ask(deploy_id), state="running" if len(asked) == 2 else "done")

    def abort(deploy_id):
        if state == "running":
            raise Conflict("The deploy is switching traffic now.", "Roll back afterwards.")
        return ask(deploy_id)

    monkeypatch.setattr(supervisor, "submit_deploy", lambda *_: None)
    monkeypatch.setattr(supervisor, "deploy_status", answered)
    monkeypatch.setattr(supervisor, "abort_deploy", abort)
    with pytest.raises(StoppedTooLate) as raised:
        run(fitted, "late", sample=data[0], origin=ORIGIN, client=supervisor)
    assert raised.value.deployed.status.state == "done"
    assert raised.value.deployed.endpoint.name == "late"


def test_a_deploy_that_is_stopped_in_time_is_stopped(supervisor, fitted, data, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(supervisor, "submit_deploy", lambda *_: None)
    monkeypatch.setattr(supervisor, "deploy_status", interrupted)
    with pytest.raises(KeyboardInterrupt) as raised:
        run(fitted, "churn", sample=data[0], origin=ORIGIN, client=supervisor)
    assert raised.type is KeyboardInterrupt
    assert supervisor.aborted == ["d1"]


def test_a_staging_folder_that_cannot_be_written_is_said_and_nothing_is_left(
    supervisor, fitted, data, home, monkeypatch
):
    before = registered(home)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jupyter_deploy.pipeline.deploying.pack_request", full)
    with pytest.raises(DeployFailed, match="No space left on device"):
        run(fitted, "churn", sample=data[0], origin=ORIGIN, client=supervisor)
    assert supervisor.aborted == ["d1"]
    assert registered(home) == before


def test_what_the_supervisor_found_wrong_is_raised_as_it_says(supervisor, fitted, data):
    error = ReplicaFailed("start", "It ran out of memory.", "Take fewer trees.", ["last words"])
    supervisor.problem = error.problem("d1")
    with pytest.raises(ReplicaFailed, match="ran out of memory") as raised:
        run(fitted, "churn", sample=data[0], origin=ORIGIN, client=supervisor)
    assert raised.value.log == ("last words",)


def test_progress_tells_all_steps_at_each_change(supervisor, fitted, data):
    seen = []
    run(fitted, "churn", sample=data[0], origin=ORIGIN, client=supervisor, progress=seen.append)
    names = ["contract", "package", "register", "prove", "start", "switch"]
    assert all([step.name for step in steps] == names for steps in seen)
    assert [step.state for step in seen[0]] == ["running"] + ["waiting"] * 5
    assert [step.state for step in seen[-1][:4]] == ["done"] * 4
    assert all(step.seconds > 0 for step in seen[-1][:3])


def test_mlflow_is_left_as_it_was(supervisor, fitted, data, capfd):
    uri, registry = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    environment = dict(os.environ)
    run(fitted, "churn", sample=data[0], origin=ORIGIN, client=supervisor)
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == (uri, registry)
    assert mlflow.active_run() is None
    assert dict(os.environ) == environment
    assert capfd.readouterr() == ("", "")


def test_the_persons_own_registry_is_used_when_one_is_set(deploy, fitted, data, tmp_path):
    uri = f"sqlite:///{tmp_path}/own.db"
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        mlflow.create_experiment("jupyter_deploy", artifact_location=(tmp_path / "a").as_uri())
        deployed, _ = deploy(fitted, sample=data[0])
        assert mlflow.get_tracking_uri() == uri
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert deployed.manifest.registered.tracking_uri == uri
    assert (tmp_path / "a").is_dir()


def test_a_model_in_mlflow_is_deployed_as_it_is(deploy, fitted, data, home):
    first, proof = deploy(fitted, sample=data[0])
    number = first.manifest.registered.version
    again, proof = deploy(f"models:/churn/{number}")
    assert again.manifest.loader == first.manifest.loader
    assert again.manifest.contract.output.classes == ("no", "yes")
    assert [column.name for column in again.manifest.contract.columns] == ["a", "b", "c"]
    assert (proof.expected.arrays[0] == proof.answer.arrays[0]).all()
    assert again.manifest.contract == first.manifest.contract
    assert int(again.manifest.registered.version) > int(number)
    with using(default_uri(home)) as client:
        client.set_registered_model_alias("churn", "best", number)
    aliased, _ = deploy("models:/churn@best", sample=data[0])
    assert aliased.manifest.loader == first.manifest.loader


def test_a_run_of_the_persons_own_is_deployed_with_its_signature(deploy, data, home, tmp_path):
    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1)

    # MLflow keeps the files of its default experiment in the working directory.
    with using(default_uri(home)):
        own = mlflow.create_experiment("own", artifact_location=(tmp_path / "own").as_uri())
    with using(default_uri(home)), mlflow.start_run(experiment_id=own) as active:
        signature = mlflow.models.infer_signature(data[0], data[0].sum(axis=1))
        mlflow.pyfunc.log_model(
            name="sum", python_model=Sum(), signature=signature, pip_requirements=["mlflow"]
        )
    deployed, proof = deploy(f"runs:/{active.info.run_id}/sum")
    assert deployed.manifest.loader.kind is LoaderKind.PYFUNC
    assert deployed.manifest.contract.form is Form.FRAME
    deployed, proof = deploy(f"runs:/{active.info.run_id}/sum", sample=data[0])
    assert np.array_equal(proof.answer.arrays[0], data[0].sum(axis=1))


def test_mlflow_itself_can_load_what_was_registered(deploy, fitted, data, home):
    factor = 2

    def doubled(x):
        return x["a"] * factor

    for model, expected in ((fitted, fitted.predict(data[0])), (doubled, data[0]["a"] * 2)):
        deployed, _ = deploy(model, sample=data[0])
        version = deployed.manifest.registered.version
        with using(default_uri(home)):
            loaded = mlflow.pyfunc.load_model(f"models:/churn/{version}")
            assert np.array_equal(loaded.predict(data[0]), expected)


def test_the_version_folder_has_its_lock_and_digest(deploy, fitted, data, supervisor):
    deployed, _ = deploy(fitted, sample=data[0])
    staging = Path(supervisor.ticket.staging)
    lock = (staging / "requirements.lock").read_text().splitlines()
    assert f"numpy=={np.__version__}" in lock
    assert len(deployed.manifest.digest) == 64
    pins = (staging / "model" / "requirements.txt").read_text().splitlines()
    assert f"numpy=={np.__version__}" in pins
    assert len(pins) < 15


def test_secrets_of_the_kernel_stay_in_the_kernel():
    environment = {"PATH": "/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "x", "MY_TOKEN": "y"}
    assert replica_environment(environment) == {"PATH": "/bin", "LC_ALL": "C"}
