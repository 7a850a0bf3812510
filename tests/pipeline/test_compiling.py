"""Compiled forms of real models: kept where they answer alike, refused where they do not."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from jupyter_deploy.client.models import DeployOptions
from jupyter_deploy.errors import UsageError
from jupyter_deploy.pipeline import converting, run
from jupyter_deploy.pipeline.compiling import compare, compile_forms
from jupyter_deploy.pipeline.prepare import prepare
from jupyter_deploy.pipeline.resolve import resolve
from jupyter_deploy.replica.compiled import compiled_way
from tests.pipeline.conftest import ORIGIN

RANDOM = np.random.default_rng(3)
X = pd.DataFrame(RANDOM.normal(size=(300, 5)), columns=list("abcde"))
Y = np.where(X.a + X.b * X.c > 0, "yes", "no")
#: As frames are: whole numbers, truth values and both kinds of floats side by side.
MIXED = X.assign(b=(X.b * 10).round().astype(int), c=X.c.astype("float32"), d=X.d > 0)


@pytest.fixture(autouse=True, scope="module")
def _installed():
    for name in ("onnx", "onnxmltools", "onnxruntime", "skl2onnx", "treelite"):
        pytest.importorskip(name, reason="pip install 'jupyterlab-deploy[compile]'")


class Doubler(BaseEstimator, TransformerMixin):
    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x * 2


def outcome_of(model, sample, folder, seconds=math.inf):
    prepared = prepare(resolve(model), sample, None, time.monotonic)
    return prepared, compile_forms(prepared, folder, seconds=seconds)


def assert_alike(model, frame, folder):
    """The form that is kept answers rows that it was not compared on as the model does."""
    # Less time finds fewer boundaries, and no form is refused for that.
    prepared, outcome = outcome_of(model, frame.head(200), folder, seconds=2)
    assert outcome.chosen is not None, outcome
    way = compiled_way(outcome.chosen, outcome.file, prepared.contract)
    from jupyter_deploy.pipeline.rows import to_arrays

    fresh = frame.tail(100)
    got = way.model(way.build(to_arrays(prepared.contract, fresh), 100), 100, None)
    expected = prepared.subject.call()(fresh, 100, None)
    assert compare(expected, got, outcome.chosen)[1] == ""
    return outcome


def test_a_scaled_logistic_regression_is_served_as_onnx(tmp_path):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    assert assert_alike(model, X, tmp_path).chosen.kind == "onnx"


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (RandomForestClassifier(20, random_state=0), Y),
        (HistGradientBoostingClassifier(max_iter=20), Y),
        (GradientBoostingRegressor(n_estimators=20), X.a * X.b),
    ],
    ids=["forest", "histogram boosting", "boosted regressor"],
)
def test_trees_are_served_compiled(model, target, tmp_path):
    assert_alike(model.fit(X, target), X, tmp_path)


def test_a_forest_over_numbers_of_several_kinds_is_served_compiled(tmp_path):
    assert_alike(RandomForestClassifier(20, random_state=0).fit(MIXED, Y), MIXED, tmp_path)


def test_columns_of_one_kind_that_are_picked_by_name_are_served_compiled(tmp_path):
    columns = make_column_transformer((StandardScaler(), ["a", "c"]))
    assert_alike(make_pipeline(columns, LogisticRegression()).fit(X, Y), X, tmp_path)


def test_a_form_in_32_bits_takes_no_number_that_is_infinite_there(tmp_path):
    model = RandomForestClassifier(20, random_state=0).fit(X, Y)
    prepared, outcome = outcome_of(model, X, tmp_path, seconds=2)
    assert outcome.chosen.number in ("float32", "rounded")
    way = compiled_way(outcome.chosen, outcome.file, prepared.contract)
    with pytest.raises(ValueError, match="too large for"):
        model.predict(X.head(1).assign(a=1e39))
    with pytest.raises(ValueError, match="too large for"):
        way.build([np.array([1e39]), *(np.zeros(1) for _ in range(4))], 1)


def test_lightgbm_is_served_compiled(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(X, Y)
    assert_alike(model, X, tmp_path)


def test_xgboost_fitted_on_a_frame_is_served_compiled(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(X, Y == "yes")
    outcome = assert_alike(model, X, tmp_path)
    refused = [one.refused for one in outcome.trials]
    assert not [why for why in refused if why.startswith("cannot be converted") or "/" in why]
    assert model.get_booster().feature_names == list(X.columns)


def test_a_pipeline_over_strings_and_missing_numbers_is_served_compiled(tmp_path):
    frame = X[["a", "b"]].assign(plan=np.where(X.c > 0, "basic", "gold"), months=range(300))
    frame.loc[::7, "a"] = np.nan
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["a", "b", "months"]), (OneHotEncoder(handle_unknown="ignore"), ["plan"])
    )
    assert_alike(make_pipeline(columns, LogisticRegression()).fit(frame, Y), frame, tmp_path)


def test_a_transformer_that_nothing_converts_leaves_the_model_as_is(tmp_path):
    model = make_pipeline(Doubler(), LogisticRegression()).fit(X, Y)
    _, outcome = outcome_of(model, X, tmp_path)
    assert (outcome.chosen, outcome.file) == (None, None)
    assert all(trial.refused.startswith("cannot be converted") for trial in outcome.trials[1:])
    assert outcome.note() == "no compiled form passed: the model is served as is"


def test_a_form_that_differs_only_within_one_float32_is_refused(tmp_path):
    """The sample lies far from the threshold: only rows at the boundary itself show it."""

    class Exact(DecisionTreeClassifier):
        """A tree that compares in 64 bits, as scikit-learn's own does not."""

        def predict_proba(self, x):
            threshold = self.tree_.threshold[0]
            above = (np.asarray(x)[:, 0] > threshold).astype(float)
            return np.column_stack([1 - above, above])

        def predict(self, x):
            return self.classes_.take(self.predict_proba(x).argmax(axis=1))

    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
    from skl2onnx.operator_converters.decision_tree import convert_sklearn_decision_tree_classifier

    update_registered_converter(
        Exact, "ExactTree", calculate_linear_classifier_output_shapes,
        convert_sklearn_decision_tree_classifier,
        options={"zipmap": [True, False, "columns"], "nocl": [True, False],
                 "output_class_labels": [False, True], "raw_scores": [True, False],
                 "decision_path": [True, False], "decision_leaf": [True, False]},
    )  # fmt: skip
    rows = np.repeat([[0.1], [0.7]], 30, axis=0)
    _, outcome = outcome_of(Exact().fit(rows, rows[:, 0] > 0.5), rows, tmp_path)
    single = next(trial for trial in outcome.trials if trial.form == "onnx float32")
    assert "labels differ" in single.refused, outcome


def test_a_model_without_a_sample_is_served_as_is(tmp_path):
    model = LogisticRegression().fit(X.to_numpy(), Y)
    prepared = prepare(resolve(model), None, {}, time.monotonic)
    assert "without a sample" in compile_forms(prepared, tmp_path).note()


def test_a_function_is_served_as_is(tmp_path):
    _, outcome = outcome_of(lambda frame: frame["a"] * 2, X, tmp_path)
    assert "a function has no compiled form" in outcome.note()


def test_without_the_extra_a_deploy_says_how_to_get_it_before_anything_is_begun(
    supervisor, monkeypatch
):
    find = converting.importlib.util.find_spec
    monkeypatch.setattr(
        converting.importlib.util,
        "find_spec",
        lambda name: None if name == "skl2onnx" else find(name),
    )
    with pytest.raises(UsageError, match="not installed: skl2onnx") as caught:
        run(None, "churn", origin=ORIGIN, client=supervisor, options=DeployOptions(compile=True))
    assert "pip install 'jupyterlab-deploy[compile]'" in str(caught.value)
    assert not supervisor.begun


def test_the_forms_runtimes_are_not_imported_with_a_deploy():
    import subprocess

    heavy = {"onnx", "onnxruntime", "treelite", "skl2onnx"}
    code = f"import sys, jupyter_deploy.pipeline; print({heavy} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"
