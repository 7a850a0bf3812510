"""Scalers, linear models and pipelines of scikit-learn, asked without being looked at again.

Before it computes, each step of a pipeline looks at the rows, at the kind of their array and at
itself: 0.2 ms for a scaler and a logistic regression, of which the arithmetic needs 0.01.  Here
float64 arrays are computed with at once, by the same operations in the same order, so the numbers
are the same to the last bit.  Whatever else comes (frames, other dtypes, values that are not
finite, another number of columns) is scikit-learn's affair, with its own errors.

Source: sklearn/pipeline.py, linear_model/_base.py, _logistic.py and _coordinate_descent.py, as in
1.3 to 1.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jupyter_deploy.replica.parts import is_sklearns, makes_frames
from jupyter_deploy.replica.steps import in_place
from jupyter_deploy.wire.arrays import Array

Method = Callable[..., Any]

_CLASSIFIERS = ("LogisticRegression", "LogisticRegressionCV", "SGDClassifier", "LinearSVC")
_REGRESSORS = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet")


def quick_methods(part: Any) -> dict[str, Method]:
    """What may stand in place of methods of a fitted `part`, by name; often nothing.

    Raises AttributeError and the like for what is not as it should be.
    """
    if is_sklearns(part, "Pipeline"):
        return _pipeline(part)
    if not hasattr(part, "n_features_in_"):
        return {}  # Never fitted: an ensemble keeps what it has made its own from.
    if is_sklearns(part, *_CLASSIFIERS) and _has_numbers(part):
        return _classifier(part)
    if is_sklearns(part, *_REGRESSORS) and _has_numbers(part):
        return {"predict": _products(part, "predict")}
    return _transformer(part)


def _pipeline(pipeline: Any) -> dict[str, Method]:
    *first, (_, last) = pipeline.steps
    steps = [step for _, step in first if step is not None and step != "passthrough"]
    methods = ("predict", "predict_proba", "decision_function", "transform")
    return {name: _chain(pipeline, steps, last, name) for name in methods if hasattr(last, name)}


def _chain(pipeline: Any, steps: list[Any], last: Any, name: str) -> Method:
    whole = getattr(pipeline, name)

    def chain(rows: Any, **params: Any) -> Any:
        if params:
            return whole(rows, **params)
        for step in steps:
            rows = step.transform(rows)
        return getattr(last, name)(rows)

    return chain


def _transformer(part: Any) -> dict[str, Method]:
    step = None if makes_frames(part) else in_place(part)
    if step is None:
        return {}
    whole, width = part.transform, part.n_features_in_

    def transform(rows: Any, *args: Any, **named: Any) -> Any:
        if args or named or not _is_plain(rows, width) or np.isinf(rows).any():
            return whole(rows, *args, **named)
        # In the same order in memory, as sums in another order have other last bits.
        return step(np.array(rows, order="K"))

    return {"transform": transform}


def _classifier(model: Any) -> dict[str, Method]:
    scores = _flat(_products(model, "decision_function"))
    methods = {"decision_function": scores, "predict": _labels(scores, model.classes_)}
    if is_sklearns(model, "LogisticRegression", "LogisticRegressionCV"):
        binary = len(model.classes_) <= 2
        if binary or _is_multinomial(model):
            methods["predict_proba"] = (_two_shares if binary else _shares)(scores)
    return methods


def _is_multinomial(model: Any) -> bool:
    """Up to scikit-learn 1.7 it could be told to make a model of each class against the others."""
    told = getattr(model, "multi_class", "auto")
    return told in ("auto", "deprecated", "multinomial") and model.solver != "liblinear"


def _flat(products: Method) -> Method:
    def decision_function(rows: Any) -> Array:
        scores: Array = products(rows)
        return scores.reshape(-1) if scores.ndim > 1 and scores.shape[1] == 1 else scores

    return decision_function


def _labels(scores: Method, classes: Array) -> Method:
    def predict(rows: Any) -> Array:
        found = scores(rows)
        chosen = (found > 0).astype(np.intp) if found.ndim == 1 else found.argmax(axis=1)
        labels: Array = classes.take(chosen)
        return labels

    return predict


def _two_shares(scores: Method) -> Method:
    from scipy.special import expit

    def predict_proba(rows: Any) -> Array:
        share = scores(rows)
        expit(share, out=share)
        return np.stack([1 - share, share], axis=1)

    return predict_proba


def _shares(scores: Method) -> Method:
    from sklearn.utils.extmath import softmax

    def predict_proba(rows: Any) -> Array:
        shares: Array = softmax(scores(rows), copy=False)
        return shares

    return predict_proba


def _products(model: Any, name: str) -> Method:
    """`rows @ coef_ + intercept_`, as both kinds of linear models compute it."""
    import sklearn

    whole, width = getattr(model, name), model.n_features_in_
    coef, intercept = model.coef_.T, model.intercept_
    look = not sklearn.get_config()["assume_finite"]

    def products(rows: Any) -> Any:
        if not _is_plain(rows, width) or (look and not np.isfinite(rows).all()):
            return whole(rows)
        return rows @ coef + intercept

    return products


def _has_numbers(model: Any) -> bool:
    """Whether it is an array that rows are multiplied with; it can be made sparse."""
    coef = model.coef_
    return type(coef) is np.ndarray and coef.dtype == np.float64


def _is_plain(rows: Any, width: int) -> bool:
    return (
        type(rows) is np.ndarray
        and rows.dtype == np.float64
        and rows.ndim == 2
        and rows.shape[1] == width
        and len(rows) > 0
    )
