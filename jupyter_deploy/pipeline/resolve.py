"""What the person wants to deploy: a fitted estimator, a function, or a model in MLflow.

Rule: a foreign object is asked as little as possible: its type, whether it predicts, whether it is
fitted.  Nothing here prints it, measures it or copies it.
"""

from __future__ import annotations

import inspect
import re
import types
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.manifest import Loader
from jupyter_deploy.errors import NotAModel, NotFitted
from jupyter_deploy.replica.models import Model, as_model, estimator_model, function_model

_URI = re.compile(r"(models|runs):/+[^/]")
_DATA = ("DataFrame", "Series", "Index", "ndarray")


class SubjectKind(StrEnum):
    """How the model is packaged."""

    ESTIMATOR = "estimator"
    FUNCTION = "function"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be deployed.

    `names` are the columns it was fitted on and `width` their number, where it knows; `classes` the
    labels of a classifier that gives one probability for each; `described` and `example` what
    MLflow says of a model that came from there (`source`).
    """

    kind: SubjectKind
    model: Any
    title: str
    names: tuple[str, ...] | None = None
    width: int | None = None
    classes: tuple[Any, ...] | None = None
    source: str = ""
    loader: Loader | None = None
    described: Contract | None = None
    example: Any = field(default=None, compare=False)

    def has_unserved_probabilities(self) -> bool:
        """Whether the model gives probabilities, and none that an answer has a place for."""
        estimator = self.kind is SubjectKind.ESTIMATOR
        return estimator and self.classes is None and _gives_probabilities(self.model)

    def call(self) -> Model:
        """How it is called, as a replica calls it."""
        if self.loader is not None:
            return as_model(
                self.model,
                loader=self.loader.kind.value,
                function=self.loader.function,
                probabilities=self.classes is not None,
            )
        if self.kind is SubjectKind.FUNCTION:
            return function_model(self.model)
        return estimator_model(self.model, probabilities=self.classes is not None)


def is_uri(model: Any) -> bool:
    """Whether `model` is the URI of an MLflow model.  Raises NotAModel for any other string."""
    if not isinstance(model, str):
        return False
    if _URI.match(model):
        return True
    raise NotAModel(
        f"The text {model[:80]!r} is not a model.",
        "Give the model, or a URI of MLflow's: models:/NAME/3, models:/NAME@ALIAS, runs:/ID/NAME.",
    )


def resolve(model: Any) -> Subject:
    """The subject that `model` is.  Raises NotAModel or NotFitted."""
    if inspect.isclass(model):
        name = model.__name__
        raise NotAModel(
            f"{name} is the class, not a model of it.", f"Deploy what {name}(...).fit(X, y) gives."
        )
    if model is None or isinstance(model, types.ModuleType) or type(model).__name__ in _DATA:
        kind = type(model).__name__
        raise NotAModel(
            f"A value of type {kind} is not a model.", "Give a fitted estimator or a function."
        )
    if not callable(getattr(model, "predict", None)):
        return _function(model)
    return estimator_subject(model)


def estimator_subject(model: Any, **more: Any) -> Subject:
    """The subject of anything with a `predict`.  Raises NotFitted."""
    check_fitted(model)
    return Subject(
        more.pop("kind", SubjectKind.ESTIMATOR),
        model,
        type(model).__name__,
        names=_names(model),
        width=_width(model),
        classes=_classes(model),
        **more,
    )


def check_fitted(model: Any) -> None:
    """Raise NotFitted when an estimator of scikit-learn's kind says so."""
    if not (hasattr(model, "fit") and hasattr(model, "get_params")):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise NotFitted(type(model).__name__) from error
    except (TypeError, AttributeError):  # only looks like an estimator
        return


def _function(model: Any) -> Subject:
    if not callable(model):
        kind = type(model).__name__
        fix = "Give a fitted estimator, a function of the input, or an MLflow model URI."
        if callable(_attribute(model, "transform")):
            fix = "Give its method `transform`, to serve what it transforms."
        raise NotAModel(f"A value of type {kind} has no predict method and cannot be called.", fix)
    title = str(getattr(model, "__name__", type(model).__name__))
    if inspect.iscoroutinefunction(model) or inspect.iscoroutinefunction(type(model).__call__):
        raise NotAModel(
            f"{title} is async: calling it gives a coroutine, and no answer.",
            "Give a function without async, which returns its answer.",
        )
    return Subject(SubjectKind.FUNCTION, model, title)


def _attribute(model: Any, name: str) -> Any:
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - a property of a foreign class, which may raise what it likes
        return None


def _names(model: Any) -> tuple[str, ...] | None:
    names = _attribute(model, "feature_names_in_")
    if names is None:
        return None
    return tuple(str(name) for name in names)


def _width(model: Any) -> int | None:
    width = _attribute(model, "n_features_in_")
    return int(width) if isinstance(width, int) or hasattr(width, "__index__") else None


def _gives_probabilities(model: Any) -> bool:
    return callable(_attribute(model, "predict_proba"))


def _classes(model: Any) -> tuple[Any, ...] | None:
    if not _gives_probabilities(model):
        return None
    classes = _attribute(model, "classes_")
    if isinstance(classes, list | tuple) and all(map(np.isscalar, classes)):
        classes = np.array(classes, dtype=object)
    # A classifier of several outputs has a list of arrays here, and of several answers there.
    if classes is None or getattr(classes, "ndim", 0) != 1:
        return None
    return tuple(classes.tolist())
