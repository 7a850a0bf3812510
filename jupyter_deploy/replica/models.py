"""How a model is loaded, and how it is called.

Rule 1: nothing is imported but what the loader needs.  Rule 2: an artefact is code: it is loaded
only from a version's own folder, whose digest the supervisor has checked.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_deploy.replica.answers import PREDICTIONS, PROBABILITIES, Answer, answer_of, wireable

#: Calls a model with an input, its number of rows and MLflow's `params`.
Model = Callable[[Any, int, dict[str, Any] | None], Answer]


def load_model(loader: str, folder: Path, file: str, trusted: tuple[str, ...]) -> Any:
    """The object in `folder`.  Raises whatever loading it raises."""
    if loader == "skops":
        from skops.io import load

        return load(folder / file, trusted=list(trusted))
    if loader == "cloudpickle":
        with (folder / file).open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - rule 2
    if loader == "pyfunc":
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder))
    raise ValueError(f"there is no loader {loader!r}")


def as_model(subject: Any, *, loader: str, function: bool, probabilities: bool) -> Model:
    """How `subject`, which came from `loader`, is called."""
    if function:
        return function_model(subject)
    if loader == "pyfunc":
        return lambda data, rows, params: answer_of(subject.predict(data, params), rows)
    return estimator_model(subject, probabilities=probabilities)


def estimator_model(estimator: Any, *, probabilities: bool) -> Model:
    """`predict`, and `predict_proba` when the contract promises probabilities.

    A `predict` with an argument `params` (that of a loaded model of MLflow) gets them.
    """
    if not probabilities and _takes_params(estimator.predict):
        return lambda data, rows, params: answer_of(estimator.predict(data, params=params), rows)
    if not probabilities:
        return lambda data, rows, _: answer_of(estimator.predict(data), rows)
    return lambda data, _rows, _: Answer(
        (PREDICTIONS, PROBABILITIES),
        (wireable(estimator.predict(data)), wireable(estimator.predict_proba(data))),
    )


def function_model(function: Callable[..., Any]) -> Model:
    """A function of the input, and of `params` when it has an argument of that name."""
    if _takes_params(function):
        return lambda data, rows, params: answer_of(function(data, params=params), rows)
    return lambda data, rows, _: answer_of(function(data), rows)


def _takes_params(function: Callable[..., Any]) -> bool:
    try:
        found = inspect.signature(function).parameters.get("params")
    except (TypeError, ValueError):  # a callable in C
        return False
    # A pipeline of scikit-learn has `**params`: any others.
    return found is not None and found.kind is not inspect.Parameter.VAR_KEYWORD
