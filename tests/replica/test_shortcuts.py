"""Shortcuts are taken where they give the same bits, and nowhere else."""

import re
from functools import partial
from itertools import count

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from jupyter_deploy.replica import direct, forests
from jupyter_deploy.replica.forests import forests_in, quick_method
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.models import as_model, estimator_model
from jupyter_deploy.replica.shortcuts import Way, quickest
from tests.replica.ways import RANDOM, X, Y, assert_same_bits, spec_of, stopped, way_of


@pytest.fixture(autouse=True)
def sklearn_as_it_was():
    with sklearn.config_context():
        yield


def test_a_linear_classifier_takes_every_shortcut():
    plain, quick = way_of(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    assert quick.taken == ("config", "array", "labels", "direct")
    assert_same_bits(plain, quick)


def test_a_regressor_has_no_labels_to_shorten():
    plain, quick = way_of(LinearRegression().fit(X, X.a), probabilities=False)
    assert quick.taken == ("config", "array", "direct")
    assert_same_bits(plain, quick)


def test_one_call_of_a_forest_is_one_thread():
    forest = RandomForestClassifier(5, n_jobs=2, random_state=0).fit(X, Y)
    plain, quick = way_of(forest)
    assert "config" in quick.taken
    assert forest.n_jobs == 1
    assert_same_bits(plain, quick)


FORESTS = {
    "classifier": RandomForestClassifier(7, random_state=0).fit(X, Y),
    "three classes": ExtraTreesClassifier(7, random_state=0).fit(X, RANDOM.integers(0, 3, 80)),
    "regressor": RandomForestRegressor(7, random_state=0).fit(X, X.a * X.b),
    "in a pipeline": make_pipeline(StandardScaler(), ExtraTreesRegressor(7)).fit(X, X.b),
    "in a search": GridSearchCV(RandomForestClassifier(5), {"max_depth": [3]}, cv=2).fit(X, Y),
    "calibrated": CalibratedClassifierCV(RandomForestClassifier(5), cv=2).fit(X, Y),
    "among others": VotingClassifier(
        [("one", make_pipeline(StandardScaler(), ExtraTreesClassifier(5))), ("two", GaussianNB())],
        voting="soft",
    ).fit(X, Y),
}


@pytest.mark.parametrize("forest", FORESTS.values(), ids=FORESTS)
def test_the_trees_of_a_forest_are_asked_alone(forest):
    plain, quick = way_of(forest, probabilities=hasattr(forest, "predict_proba"))
    assert "trees" in quick.taken
    assert_same_bits(plain, quick)


def test_rows_that_a_forest_refuses_are_refused_by_its_trees_too():
    forest = RandomForestClassifier(5, random_state=0).fit(X.iloc[:, :3], Y)
    _, method = quick_method(forest)
    assert list(forests_in(forest)) == [forest]
    for rows in (X, X.iloc[:, :2], [["text", "is", "none"]]):
        with pytest.raises(ValueError) as said:
            forest.predict_proba(rows)
        with pytest.raises(ValueError, match=re.escape(str(said.value))):
            method(rows)


def test_a_forest_of_several_targets_or_of_ones_own_is_asked_as_it_is():
    class Own(RandomForestClassifier):
        def predict_proba(self, X):
            return 1 - super().predict_proba(X)

    several = RandomForestRegressor(5).fit(X, X[["a", "b"]])
    assert "trees" not in way_of(several, probabilities=False)[1].taken
    plain, quick = way_of(Own(5, random_state=0).fit(X, Y))
    assert "trees" not in quick.taken
    assert_same_bits(plain, quick)


def test_trees_whose_sum_differs_are_not_used(monkeypatch):
    monkeypatch.setattr(forests, "_mean", lambda trees, rows, values: np.zeros((len(rows), values)))
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    plain, quick = way_of(forest)
    assert "trees" not in quick.taken
    assert_same_bits(plain, quick)


def test_forests_that_are_found_twice_are_all_as_they_were_when_one_differs(monkeypatch):
    twice, other = (RandomForestClassifier(5, random_state=seed).fit(X, Y) for seed in (0, 1))
    named = [("one", twice), ("same", twice), ("other", other)]
    stack = StackingClassifier(named, cv="prefit").fit(X, Y)
    monkeypatch.setattr(forests, "_mean", lambda trees, rows, values: np.ones((len(rows), values)))
    assert "trees" not in way_of(stack)[1].taken
    assert not any("predict_proba" in vars(forest) for forest in (twice, other))


def test_a_linear_model_that_would_answer_otherwise_is_asked_as_it_is(monkeypatch):
    monkeypatch.setattr(direct, "_flat", lambda products: lambda rows: np.zeros(len(rows)))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    plain, quick = way_of(model)
    assert quick.taken == ("config", "array", "labels")
    assert not any("predict" in vars(part) for part in (model, model[-1]))
    assert "transform" not in vars(model[0])
    assert_same_bits(plain, quick)


def test_a_model_that_asks_for_columns_by_name_keeps_its_frame():
    by_name = make_column_transformer((FunctionTransformer(np.exp), ["a", "b"]))
    _, quick = way_of(make_pipeline(by_name, LogisticRegression()).fit(X, Y))
    assert "array" not in quick.taken


WHOLE = X.assign(n=np.arange(80), b=X.b.astype("float32"), k=(X.a * 9).astype("int8"))
MIXED = WHOLE.assign(flag=X.a > X.b)
OF_NUMBERS = {
    "linear": make_pipeline(StandardScaler(), LogisticRegression()).fit(MIXED, Y),
    "trees": RandomForestClassifier(5, random_state=0).fit(MIXED, Y),
    "neighbours": KNeighborsClassifier().fit(MIXED, Y),
    "boosted": HistGradientBoostingClassifier(max_iter=5).fit(MIXED, Y),
}


@pytest.mark.parametrize("estimator", OF_NUMBERS.values(), ids=OF_NUMBERS)
def test_numbers_of_several_dtypes_become_one_array_as_pandas_makes_it(estimator):
    plain, quick = way_of(estimator, MIXED)
    assert "array" in quick.taken
    assert_same_bits(plain, quick, MIXED)
    rows = [np.array(MIXED[name][:3]) for name in MIXED]
    assert np.array_equal(quick.build(rows, 3), np.asarray(MIXED[:3]).astype(float))
    # Rounded twice on its way to float32 it would be another number.
    rows[MIXED.columns.get_loc("n")][1] = 2**53 + 1
    assert isinstance(quick.build(rows, 3), pd.DataFrame)
    # As it comes where values are missing.
    rows[MIXED.columns.get_loc("n")] = np.array([1.0, np.nan, 2.0])
    assert isinstance(quick.build(rows, 3), pd.DataFrame)


@pytest.mark.parametrize("frame", [WHOLE, WHOLE[["n", "k"]], X > 0, X, WHOLE[["b"]]])
def test_an_array_has_the_dtype_that_pandas_gives_it(frame):
    _, quick = way_of(DummyClassifier().fit(frame, Y), frame)
    array = quick.build([frame[name].to_numpy() for name in frame], 80)
    assert (array.dtype, array.tobytes()) == (frame.to_numpy().dtype, frame.to_numpy().tobytes())


@pytest.mark.parametrize("column", [np.arange(80).astype("uint64"), Y])
def test_what_is_no_float_stays_a_frame(column):
    mixed = X.assign(n=column)
    _, quick = way_of(DummyClassifier().fit(mixed, Y), mixed)
    assert "array" not in quick.taken


def test_what_looks_at_the_frame_is_not_given_an_array():
    class Looks(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return np.asarray(X) * (2.0 if isinstance(X, pd.DataFrame) else 1.0)

    plain, quick = way_of(make_pipeline(Looks(), LogisticRegression()).fit(X, Y))
    assert "array" not in quick.taken
    assert_same_bits(plain, quick)


def test_a_shortcut_that_is_not_taken_leaves_sklearn_as_it_was():
    class Strict(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            first = 0.9 if sklearn.get_config()["skip_parameter_validation"] else 0.1
            return np.tile([first, 1 - first], (len(X), 1))

        def predict(self, X):
            return self.classes_[self.predict_proba(X).argmax(axis=1)]

    _, quick = way_of(Strict().fit(X, Y))
    assert "config" not in quick.taken
    assert not sklearn.get_config()["skip_parameter_validation"]


@pytest.mark.parametrize(
    ("estimator", "value"),
    [
        (RandomForestClassifier(3, random_state=0), 1e300),
        (make_pipeline(FunctionTransformer(np.log), LogisticRegression()), 0.0),
        (make_pipeline(FunctionTransformer(np.square), StandardScaler(), SVC()), 1e300),
    ],
)
def test_what_is_not_finite_further_in_is_refused_as_the_model_refuses_it(estimator, value):
    good = X.abs()
    _, quick = way_of(estimator.fit(good, Y), good, probabilities=False)
    assert {"config", "array"} <= set(quick.taken)
    odd = [np.array([value]), *(np.ones(1) for _ in "bcd")]
    with np.errstate(divide="ignore", over="ignore"), pytest.raises(ValueError, match="infinity"):
        quick.model(quick.build(odd, 1), 1, None)


def test_a_shortcut_that_answers_what_the_model_refuses_is_not_taken():
    class Choosy(TransformerMixin, BaseEstimator):
        """Refuses some rows of a frame, and none of an array."""

        def fit(self, X, y=None):
            return self

        def transform(self, X):
            if isinstance(X, pd.DataFrame) and (X.a > 2 * X.b.abs() + 1).any():
                raise ValueError("no")
            return np.asarray(X)

    narrow = X[X.a <= 2 * X.b.abs() + 1]
    estimator = make_pipeline(Choosy(), LogisticRegression()).fit(narrow, Y[narrow.index])
    _, quick = way_of(estimator, narrow)
    assert "array" not in quick.taken


def test_a_predict_that_takes_params_gets_them():
    class Loaded:
        """As MLflow gives a model that was logged with parameters."""

        def predict(self, data, params=None):
            return data.a * (params or {"factor": 1})["factor"]

    model = estimator_model(Loaded(), probabilities=False)
    assert model(X, len(X), {"factor": 3}).arrays[0].tolist() == (X.a * 3).tolist()
    assert model(X, len(X), None).arrays[0].tolist() == X.a.tolist()


def test_a_pipeline_that_takes_any_params_gets_none():
    line = make_pipeline(StandardScaler(), LinearRegression()).fit(X, X.a)
    answer = estimator_model(line, probabilities=False)(X, len(X), None)
    assert answer.arrays[0].tobytes() == line.predict(X).tobytes()


def test_functions_are_called_as_they_are():
    plain, quick = way_of(lambda frame: frame.a, function=True)
    assert quick is plain


def test_without_a_sample_nothing_is_taken():
    estimator = LogisticRegression().fit(X, Y)
    plain = Way(as_model(estimator, loader="skops", function=False, probabilities=True), None)
    assert quickest(plain, estimator, spec_of(X), []) is plain


@pytest.mark.parametrize(
    ("computed", "took", "tried"), [(0.4, 1.9, True), (0.6, 0.6, False), (0.1, 2.1, False)]
)
def test_a_slow_model_is_not_tried_and_a_busy_machine_makes_none_slow(computed, took, tried):
    estimator = LogisticRegression().fit(X, Y)
    spec = spec_of(X)
    plain = Way(estimator_model(estimator, probabilities=True), input_builder(spec))
    sample = [X[name].to_numpy() for name in X]
    clocks = (partial(next, count(step=seconds)) for seconds in (computed, took))
    assert (quickest(plain, estimator, spec, sample, *clocks) is not plain) is tried


def test_a_shortcut_that_is_for_no_row_of_the_sample_is_not_taken():
    frame = X.astype({"a": "float32"})
    estimator = make_pipeline(make_column_transformer((StandardScaler(), ["a", "b"])), GaussianNB())
    _, quick = way_of(estimator.fit(frame, Y), frame)
    assert "array" not in quick.taken
    # As versions before keep their sample: all floats in 64 bits.
    spec, sample = spec_of(frame), [X[name].to_numpy() for name in X]
    plain = Way(estimator_model(estimator, probabilities=True), input_builder(spec))
    assert "array" not in quickest(plain, estimator, spec, sample, stopped, stopped).taken
