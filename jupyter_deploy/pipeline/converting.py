"""From a fitted model to the forms that fit it: ONNX (in 64 and in 32 bits) and treelite.

Rule 1: a converter may be wrong: nothing here is believed before `compiling` has compared it.
Rule 2: heavy libraries are imported when a form is made, never with this module.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_deploy.core.contract import Contract, Form, Type
from jupyter_deploy.errors import UsageError
from jupyter_deploy.replica.compiled import MATRIX
from jupyter_deploy.replica.parts import is_sklearns, parts

_NEEDED = ("onnx", "onnxmltools", "onnxruntime", "skl2onnx", "treelite")
_NUMBERS = (Type.FLOAT, Type.INTEGER, Type.BOOLEAN)
#: What ONNX Runtime of the last years knows; `ai.onnx.ml` 3 is the first with trees of doubles.
_OPSETS = {"": 18, "ai.onnx.ml": 3}


class CannotConvert(Exception):
    """Why there is no such form of this model, in a few words."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A form that may fit; `write` makes its file.  Fields as in `core.compiled.Compiled`."""

    form: str
    kind: str
    number: str
    separate: bool
    write: Callable[[Path], None]


def check_installed() -> None:
    """Raises UsageError when what `--compile` needs is not there."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"--compile needs packages that are not installed: {', '.join(missing)}.",
            "Run: pip install 'jupyterlab-deploy[compile]'",
        )


def candidates(model: Any, contract: Contract, *, classifier: bool) -> list[Candidate]:
    """The forms to try.  Raises CannotConvert when none fits the input."""
    separate = _takes_separate_columns(model, contract)
    found = [
        Candidate(
            f"onnx {number}", "onnx", number, separate,
            lambda file, number=number: file.write_bytes(  # type: ignore[misc]
                _onnx(model, contract, number, separate=separate, classifier=classifier)
            ),
        )
        for number in ("float64", "float32")
    ]  # fmt: skip
    trees = None if separate else _trees_of(model)
    if trees is not None:
        number, make = trees
        found.append(
            Candidate("treelite", "treelite", number, False, lambda file: _written(make, file))  # noqa: FBT003
        )
    return found


def _takes_separate_columns(model: Any, contract: Contract) -> bool:
    """Whether the columns are not one matrix of numbers to `model`.  Raises CannotConvert."""
    if contract.form is Form.FRAME:
        for column in contract.columns:
            if column.type not in (*_NUMBERS, Type.STRING):
                raise CannotConvert(f"column {column.name!r} holds neither numbers nor strings")
        # Whatever picks columns may do so by name; anything else makes one matrix of numbers.
        return any(column.type is Type.STRING for column in contract.columns) or any(
            is_sklearns(part, "ColumnTransformer") for part in parts(model)
        )
    tensor = contract.tensor
    if tensor is None or tensor.type not in _NUMBERS or len(tensor.shape) != 1:
        raise CannotConvert("the input is no table")
    return False


def _onnx(
    model: Any, contract: Contract, number: str, *, separate: bool, classifier: bool
) -> bytes:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    _register_boosting(model)
    numbers = DoubleTensorType if number == "float64" else FloatTensorType
    if separate:
        inputs = [
            (column.name, (StringTensorType if column.type is Type.STRING else numbers)([None, 1]))
            for column in contract.columns
        ]
    else:
        inputs = [(MATRIX, numbers([None, _width(contract)]))]
    from sklearn.impute import SimpleImputer

    options = {id(model): {"zipmap": False}} if classifier else None
    exact = number == "float64"
    with _quiet():
        made = convert_sklearn(
            model,
            initial_types=inputs,
            options=options,
            target_opset=_OPSETS,
            custom_conversion_functions={SimpleImputer: _fill_doubles} if exact else None,
            custom_shape_calculators={SimpleImputer: _same_shape} if exact else None,
        )
    return bytes(made.SerializeToString())


def _fill_doubles(scope: Any, operator: Any, container: Any) -> None:
    """SimpleImputer in 64 bits: ONNX Runtime's own Imputer takes 32 only."""
    import numpy as np
    from skl2onnx.algebra.onnx_ops import OnnxIsNaN, OnnxWhere

    imputer, (rows,) = operator.raw_operator, operator.inputs
    filling = np.asarray(imputer.statistics_, dtype=np.float64).reshape(1, -1)
    if imputer.missing_values == imputer.missing_values or imputer.add_indicator:
        raise CannotConvert("it fills in other values than NaN, or marks them")
    if np.isnan(filling).any():
        raise CannotConvert("it drops a column")
    OnnxWhere(
        OnnxIsNaN(rows, op_version=_OPSETS[""]), filling, rows,
        op_version=_OPSETS[""], output_names=operator.outputs[:1],
    ).add_to(scope, container)  # fmt: skip


def _same_shape(operator: Any) -> None:
    """The output of an imputer has the type and shape of its input."""
    rows = operator.inputs[0].type
    operator.outputs[0].type = type(rows)(list(rows.shape))


def _width(contract: Contract) -> int:
    return len(contract.columns) if contract.tensor is None else contract.tensor.shape[0]


def _register_boosting(model: Any) -> None:
    """Tell skl2onnx of the boosting libraries that this model uses, alone or in a pipeline."""
    for step in _steps(model):
        package = type(step).__module__.partition(".")[0]
        if package in ("xgboost", "lightgbm"):
            _register(type(step), package)


def _register(kind: type, package: str) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    if package == "xgboost":
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

        to = _without_names(convert_xgboost)
    else:
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

        to = convert_lightgbm
    classifier = kind.__name__.endswith("Classifier")
    shape = (
        shapes.calculate_linear_classifier_output_shapes
        if classifier
        else shapes.calculate_linear_regressor_output_shapes
    )
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]} if classifier else None
    update_registered_converter(kind, kind.__name__, shape, to, options=options)


def _without_names(to: Callable[..., None]) -> Callable[..., None]:
    """A converter of a booster that was fitted on a frame: it reads names as places, `f0`, `f1`."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        booster = operator.raw_operator.get_booster()
        names, booster.feature_names = booster.feature_names, None
        try:
            to(scope, operator, container)
        finally:
            booster.feature_names = names

    return convert


def _steps(model: Any) -> Iterator[Any]:
    yield model
    for _, step in getattr(model, "steps", ()):
        yield from _steps(step)


def _trees_of(model: Any) -> tuple[str, Callable[[], Any]] | None:
    """How numbers reach the trees of `model`, and what makes treelite's form; None: no trees."""
    package, name = type(model).__module__.partition(".")[0], type(model).__name__
    if package == "xgboost" and hasattr(model, "get_booster"):
        return "float32", lambda: _treelite().frontend.from_xgboost(model.get_booster())
    if package == "lightgbm" and hasattr(model, "booster_"):
        return "float64", lambda: _treelite().frontend.from_lightgbm(model.booster_)
    if package == "sklearn" and name.startswith("HistGradientBoosting"):
        return "float64", lambda: _treelite().sklearn.import_model(model)
    if package == "sklearn" and name.startswith(("RandomForest", "ExtraTrees", "GradientBoost")):
        # scikit-learn rounds the numbers to 32 bits, and then compares them in 64.
        return "rounded", lambda: _treelite().sklearn.import_model(model)
    return None


def _treelite() -> Any:
    import treelite

    return treelite


def _written(make: Callable[[], Any], file: Path) -> None:
    with _quiet():
        make().serialize(str(file))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
