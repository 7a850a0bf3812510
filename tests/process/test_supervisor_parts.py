"""What the supervisor decides, without a process: proof, numbers, routes, the truth for MLflow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jupyter_deploy.client.models import BeginDeploy, DeployOptions
from jupyter_deploy.core.compiled import AS_IS, Compiled, Trial
from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.core.manifest import EXPECTED
from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.core.versions import Bump
from jupyter_deploy.errors import UsageError
from jupyter_deploy.supervisor import failures, snapshot
from jupyter_deploy.supervisor.launch import Report
from jupyter_deploy.supervisor.metrics.baselines import Baseline, Baselines
from jupyter_deploy.supervisor.numbers import number
from jupyter_deploy.supervisor.processes import Exit
from jupyter_deploy.supervisor.proof import differing_rows
from jupyter_deploy.supervisor.registrar import orders
from jupyter_deploy.supervisor.state import Endpoint, Key, State, Version, desired
from jupyter_deploy.wire.messages import PredictAnswer, pack_answer
from tests.versions import CONTRACT, MANIFEST, ORIGIN, VERSION

OPEN = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,), nullable=True))
WIDER = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (3,)))


def version(number: int, name: str, fate: str = "good", replicas: int = 1) -> Version:
    registered = replace(MANIFEST.registered, version=str(number))
    manifest = replace(MANIFEST, registered=registered)
    return replace(
        VERSION, number=number, version=name, fate=fate, replicas=replicas, manifest=manifest
    )


def state(*versions: Version, active: str | None = None, standby: str | None = None) -> State:
    history = () if active is None else (active,)
    endpoint = Endpoint("churn", 3, Traffic(active, standby, history), 2)
    return State(endpoints={"churn": endpoint}, versions={"churn": versions})


def answer(*arrays: np.ndarray, names: tuple[str, ...] = ("predictions",)) -> PredictAnswer:
    return PredictAnswer(names, list(arrays), 0.0)


# --- proof ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-9])),
        (np.array([np.nan, 2.0]), np.array([np.nan, 2.0])),
        (np.array([1, 2]), np.array([1, 2], dtype="int32")),
        (np.array(["yes", None], dtype=object), np.array(["yes", None], dtype=object)),
        (np.array([[0.1, 0.9]]), np.array([[0.1 + 1e-9, 0.9]])),
        (np.array(["2026-01-01", "NaT"], dtype="M8[ns]"),) * 2,
        (np.array([[1.0, [2.0]], 0], dtype=object)[:1], np.array([[1.0, [2.0]], 0], object)[:1]),
    ],
)
def test_equal_answers_are_equal(expected: np.ndarray, got: np.ndarray) -> None:
    assert differing_rows(answer(expected), answer(got)) == []


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.00001]), "row 1: predictions is 2.00001"),
        (np.array([0.0]), np.array([1e-12]), "row 0"),
        (np.array([1.0]), np.array([np.nan]), "row 0: predictions is nan, in the notebook 1"),
        (np.array([1, 2]), np.array([1, 3]), "row 1: predictions is 3, in the notebook 2"),
        (np.array(["yes"], dtype=object), np.array(["no"], dtype=object), "in the notebook yes"),
        (np.array([1], dtype=object), np.array([True], dtype=object), "row 0"),
        (np.array([1.0]), np.array([1.0, 2.0]), "shape"),
    ],
)
def test_what_differs_is_named(expected: np.ndarray, got: np.ndarray, said: str) -> None:
    assert said in differing_rows(answer(expected), answer(got))[0]


def test_at_most_five_rows_are_named_and_the_rest_counted() -> None:
    said = differing_rows(answer(np.zeros(100)), answer(np.ones(100)))
    assert len(said) == 6
    assert said[-1] == "and 95 more rows"


def test_an_answer_of_another_form_is_named() -> None:
    two = answer(np.zeros(1), np.zeros((1, 2)), names=("predictions", "probabilities"))
    assert "the notebook predictions, probabilities" in differing_rows(two, answer(np.zeros(1)))[0]


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "contract", "expected", "why"),
    [
        (DeployOptions(), CONTRACT, "1.1.0", "same contract"),
        (DeployOptions(), OPEN, "1.1.0", "compatible contract"),
        (DeployOptions(), WIDER, "2.0.0", "a row has the shape (3,), it was (2,)"),
        (DeployOptions(bump=Bump.PATCH), CONTRACT, "1.0.1", "patch asked for"),
        (DeployOptions(bump=Bump.MAJOR), CONTRACT, "2.0.0", "major asked for"),
        (DeployOptions(version="7.0.0"), CONTRACT, "7.0.0", "asked for"),
    ],
)
def test_the_number_of_a_version_and_why(
    options: DeployOptions, contract: Contract, expected: str, why: str
) -> None:
    known = state(version(1, "1.0.0"), active="1.0.0")
    numbered = number(known, "churn", BeginDeploy(contract, ORIGIN, options))
    assert (numbered.version, numbered.why) == (expected, why)


def test_after_a_first_version_that_failed_the_next_is_still_the_first() -> None:
    known = state(version(1, "1.0.0", "failed"))
    numbered = number(known, "churn", BeginDeploy(WIDER, ORIGIN))
    assert (numbered.version, numbered.why, numbered.previous) == ("1.0.1", "first version", None)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e9])
def test_a_timeout_that_cannot_be_is_refused(seconds: float) -> None:
    options = DeployOptions(timeout_seconds=seconds)
    with pytest.raises(UsageError):
        number(State(), "churn", BeginDeploy(CONTRACT, ORIGIN, options))


# --- what ought to run, and what callers are told ------------------------------------------------


def test_active_and_standby_run_and_what_is_held_and_nothing_else() -> None:
    versions = (version(1, "1.0.0"), version(2, "1.1.0", replicas=2), version(3, "1.2.0"))
    known = state(*versions, active="1.1.0", standby="1.0.0")
    assert desired(known, {3: 1}, standby_warm=True) == {1: 1, 2: 2, 3: 1}
    assert desired(known, {2: 1}, standby_warm=False) == {2: 2}


def test_a_version_with_a_range_runs_as_often_as_its_load_needs() -> None:
    scales = replace(version(1, "1.0.0"), most_replicas=4)
    known = state(scales, version(2, "1.1.0"), active="1.0.0", standby="1.1.0")
    assert desired(known, {}, standby_warm=True) == {1: 1, 2: 1}
    assert desired(known, {1: 2}, standby_warm=True, scaled={1: 3, 2: 3}) == {1: 3, 2: 1}
    assert desired(known, {}, standby_warm=True, scaled={1: 9}) == {1: 4, 2: 1}


def test_a_most_without_a_least_is_refused() -> None:
    for options in (DeployOptions(most_replicas=2), DeployOptions(replicas=3, most_replicas=2)):
        with pytest.raises(UsageError, match="1:4"):
            number(State(), "churn", BeginDeploy(CONTRACT, ORIGIN, options))


def test_the_snapshot_has_what_serves_and_the_keys_that_are_good() -> None:
    known = state(version(1, "1.0.0"), version(2, "1.1.0"), active="1.1.0")
    good = Key(StoredKey("a", "notebook", "0" * 64, ("churn",)), 0.0, None, "")
    keys = (good, replace(good, revoked_at=1.0))
    route = ReplicaRoute("2-a", "/run/r2-a.sock")
    now = snapshot.build(
        replace(known, keys=keys),
        {2: (route,)},
        lambda _: (),
        sequence=9,
        url="http://x",
        mlflow="3",
    )
    (endpoint,) = now.endpoints
    assert (endpoint.active, [v.version for v in endpoint.versions]) == ("1.1.0", ["1.1.0"])
    assert endpoint.versions[0].replicas == (route,)
    assert now.keys == (good.stored,)


def test_mlflow_is_told_the_present_truth() -> None:
    versions = (version(1, "1.0.0", "failed"), version(2, "1.0.1"), version(3, "1.1.0"))
    known = state(*versions, active="1.1.0", standby="1.0.1")
    (order,) = orders(known, "churn")
    assert order["aliases"] == {"active": "3", "standby": "2"}
    assert order["tags"]["1"] == {
        "jupyter_deploy.version": "1.0.0",
        "jupyter_deploy.state": "failed",
    }


def test_mlflow_is_told_the_form_where_a_compiled_one_was_asked_for() -> None:
    plain = version(1, "1.0.0")
    forms = (Trial(AS_IS, 1.0, 2.0), Trial("onnx float64", 0.1, 0.2, 0.0))
    as_is = replace(plain.manifest, trials=forms)
    form = Compiled("onnx float64", "onnx", "compiled.onnx", "0", "float64")
    compiled = replace(as_is, compiled=form)
    told = [
        orders(state(replace(plain, manifest=manifest)), "churn")[0]["tags"]["1"].get(
            "jupyter_deploy.form"
        )
        for manifest in (plain.manifest, as_is, compiled)
    ]
    assert told == [None, "as is", "onnx float64"]


# --- why it failed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_", "report", "said"),
    [
        (Exit(-9, out_of_memory=True), None, "was killed: out of memory"),
        (Exit(-11), None, "was killed by SIGSEGV"),
        (Exit(-40), None, "was killed by signal 40"),
        (Exit(1), Report(packages={"numpy": "2"}), "ended with status 1"),
        (
            Exit(78),
            Report(stage="load", type="KeyError", message="'x'"),
            "load the model: KeyError",
        ),
        (
            Exit(78),
            Report(stage="warm", type="E", message="m"),
            "predict the sample with the model",
        ),
    ],
)
def test_why_a_replica_did_not_start(exit_: Exit, report: Report | None, said: str) -> None:
    failure = failures.ended(exit_, report, ["last line"], {})
    assert said in failure.reason
    assert failure.log == ("last line",)


def test_a_log_with_nothing_in_it_is_not_pointed_to() -> None:
    assert "log" not in failures.ended(Exit(3), None, [], {}).fix


# --- baselines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{}", pack_answer(answer(np.array(3.0)))])
def test_a_baseline_that_cannot_be_made_costs_the_figure_and_no_routes(tmp_path, content):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / EXPECTED).write_bytes(content)
    assert Baselines(tmp_path).of(version(1, "1.0.0")) == Baseline()
