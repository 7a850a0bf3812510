"""What is asked directly gives the same bits, or leaves the rows to scikit-learn and its errors."""

from contextlib import ExitStack

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array, issparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

from jupyter_deploy.replica.direct import quick_methods
from jupyter_deploy.replica.parts import parts

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(90, 5)) * [1, 10, 100, 0.1, 1] + [0, 5, -50, 1, 0]
BINARY = np.where(X[:, 0] + X[:, 1] / 10 + RANDOM.normal(size=90) > 0.5, "yes", "no")
THREE = RANDOM.integers(0, 3, 90)
NUMBER, TWO_NUMBERS = X @ np.arange(5) + RANDOM.normal(size=90), X[:, :2] * 3
LOGISTIC = LogisticRegression(max_iter=5000)
METHODS = ("predict", "predict_proba", "decision_function", "transform")

KNOWN = {
    "standard scaler": StandardScaler().fit(X),
    "neither mean nor scale": StandardScaler(with_mean=False, with_std=False).fit(X),
    "a column that is constant": StandardScaler().fit(X * [1, 1, 0, 1, 1]),
    "stretched": MinMaxScaler((-1, 3)).fit(X),
    "stretched and cut": MinMaxScaler(clip=True).fit(X),
    "robust": RobustScaler().fit(X),
    "robust without center": RobustScaler(with_centering=False).fit(X),
    "imputed": SimpleImputer(strategy="median").fit(X),
    "imputed always": SimpleImputer(keep_empty_features=True).fit(X),
    "logistic": LogisticRegression(max_iter=5000).fit(X, BINARY),
    "without an intercept": LogisticRegression(fit_intercept=False, max_iter=5000).fit(X, BINARY),
    "three classes": LogisticRegression(max_iter=5000).fit(X, THREE),
    "by cross-validation": LogisticRegressionCV(Cs=2, cv=2, max_iter=5000).fit(X, BINARY),
    "gradient descent": SGDClassifier(random_state=0).fit(X, THREE),
    "support vectors": LinearSVC().fit(X, BINARY),
    "least squares": LinearRegression().fit(X, NUMBER),
    "two targets": LinearRegression().fit(X, TWO_NUMBERS),
    "a target in a column": LinearRegression().fit(X, NUMBER[:, None]),
    "ridge": Ridge().fit(X, NUMBER),
    "ridge by cross-validation": RidgeCV().fit(X, TWO_NUMBERS),
    "lasso": Lasso().fit(X, NUMBER),
    "lasso by cross-validation": LassoCV(cv=2).fit(X, NUMBER),
    "elastic net": ElasticNet().fit(X, TWO_NUMBERS),
    "pipeline": make_pipeline(StandardScaler(), LOGISTIC).fit(X, BINARY),
    "a longer one": make_pipeline(
        SimpleImputer(), "passthrough", MinMaxScaler(), PolynomialFeatures(), Ridge()
    ).fit(X, NUMBER),
    "a pipeline in another": make_pipeline(
        make_pipeline(SimpleImputer(), RobustScaler()), LOGISTIC
    ).fit(X, THREE),
    "transformers only": make_pipeline(SimpleImputer(), StandardScaler()).fit(X),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2).fit(X, BINARY),
    "in bags": BaggingClassifier(LOGISTIC, 3, random_state=0).fit(X, THREE),
    "stacked": StackingClassifier([("one", LOGISTIC), ("two", LinearSVC())], cv=2).fit(X, BINARY),
    "searched": GridSearchCV(make_pipeline(StandardScaler(), Ridge()),
                             {"ridge__alpha": [1.0]}, cv=2).fit(X, NUMBER),
}  # fmt: skip

ORDINARY = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)
ANY = st.floats() | ORDINARY
SHAPES = st.tuples(st.integers(1, 6), st.just(5))


def outcome(estimator, name, rows):
    """The bits of the answer, or the words of the error."""
    before = np.array(rows) if isinstance(rows, np.ndarray) else None
    try:
        with np.errstate(all="ignore"):
            found = getattr(estimator, name)(rows)
    except (ValueError, TypeError) as error:
        return type(error), str(error)
    found = found.toarray() if issparse(found) else np.asarray(found)
    assert before is None or before.tobytes() == rows.tobytes(), "the caller's rows were changed"
    return found.dtype, found.shape, found.tolist() if found.dtype == "O" else found.tobytes()


def quickened(estimator):
    """Undone at its end."""
    stack = ExitStack()
    for part in parts(estimator):
        for name, method in quick_methods(part).items():
            method.__name__ = name
            setattr(part, name, method)
            stack.callback(delattr, part, name)
    return stack


def assert_same(estimator, rows):
    names = [name for name in METHODS if hasattr(estimator, name)]
    plain = [outcome(estimator, name, rows) for name in names]
    with quickened(estimator) as changed:
        assert changed is not None
        assert [outcome(estimator, name, rows) for name in names] == plain


@pytest.mark.parametrize("estimator", KNOWN.values(), ids=KNOWN)
def test_every_row_gets_the_same_bits_or_the_same_error(estimator):
    @settings(max_examples=25)
    @given(rows=arrays(np.float64, SHAPES, elements=ANY), order=st.sampled_from("CF"))
    def check(rows, order):
        assert_same(estimator, np.array(rows, order=order))

    check()


@pytest.mark.parametrize("estimator", KNOWN.values(), ids=KNOWN)
def test_what_was_checked_before_gets_the_same_bits_too(estimator):
    @settings(max_examples=15)
    @given(rows=arrays(np.float64, SHAPES, elements=ORDINARY), order=st.sampled_from("CF"))
    def check(rows, order):
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            assert_same(estimator, np.array(rows, order=order))

    check()


OTHERWISE = {
    "no rows": np.empty((0, 5)),
    "too many columns": np.ones((2, 6)),
    "one dimension": np.ones(5),
    "three dimensions": np.ones((2, 5, 1)),
    "single precision": X[:4].astype(np.float32),
    "whole numbers": np.ones((2, 5), dtype=int),
    "objects": X[:4].astype(object),
    "words": np.full((2, 5), "a"),
    "a list": X[:2].tolist(),
    "sparse": csr_array(X[:4]),
    "a view": X[::3],
    "columns backwards": X[:4, ::-1],
    "read only": np.frombuffer(X[:4].tobytes()).reshape(4, 5),
}


@pytest.mark.parametrize("rows", OTHERWISE.values(), ids=OTHERWISE)
@pytest.mark.parametrize("name", ["standard scaler", "imputed", "logistic", "ridge", "pipeline"])
def test_rows_of_another_form_are_left_to_scikit_learn(name, rows):
    assert_same(KNOWN[name], rows)


def test_what_a_method_is_told_besides_rows_is_heard():
    scaler, rows = StandardScaler().fit(X), X[:4].copy()
    with quickened(scaler):
        assert scaler.transform(rows, copy=False) is rows


class Own(LogisticRegression):
    def decision_function(self, X):
        return -super().decision_function(X)


def test_what_is_not_known_to_the_letter_is_asked_as_it_is():
    sparse = LogisticRegression().fit(X, BINARY).sparsify()
    single = LinearRegression().fit(X.astype(np.float32), NUMBER.astype(np.float32))
    framed = StandardScaler().set_output(transform="pandas").fit(X)
    marked = SimpleImputer(add_indicator=True).fit(np.where(X > 50, np.nan, X))
    unfitted = LinearSVC()
    for one in (Own().fit(X, BINARY), sparse, single, framed, marked, unfitted):
        assert quick_methods(one) == {}
    together = CalibratedClassifierCV(Own(), cv=2).fit(X, BINARY)
    assert not any(quick_methods(part) for part in parts(together))
