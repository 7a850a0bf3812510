"""A compiled form of a model: arrays straight in, labels and probabilities from one run.

Rule 1: only the form's own runtime is imported (ONNX Runtime or treelite), never the library that
the model came from.  Rule 2: one call is one thread: the replicas share the cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_deploy.replica.answers import PREDICTIONS, PROBABILITIES, Answer
from jupyter_deploy.replica.inputs import Called
from jupyter_deploy.replica.matrix import InputBuilder
from jupyter_deploy.replica.models import Model
from jupyter_deploy.replica.shortcuts import Way
from jupyter_deploy.replica.spec import ColumnLike, CompiledLike
from jupyter_deploy.wire.arrays import Array

#: The name of the one input that takes all columns.
MATRIX = "X"
_SMALL_FLOATS = {"float16", "float32", "Float32"}


def compiled_way(compiled: CompiledLike, file: Path, called: Called) -> Way:
    """How the form in `file` is called.  Raises whatever its runtime raises."""
    load = {"onnx": _onnx_model, "treelite": _treelite_model}[compiled.kind]
    return Way(load(compiled, file), _builder(compiled, called), (compiled.form,))


def _onnx_model(compiled: CompiledLike, file: Path) -> Model:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    if not compiled.labels:
        return lambda feed, _rows, _params: _numbers_answer(session.run(names, feed)[0])
    if compiled.classes is None:
        names = names[:1]
    return lambda feed, _rows, _params: _labels_answer(
        session.run(names, feed), compiled.labels, probabilities=compiled.classes is not None
    )


def _treelite_model(compiled: CompiledLike, file: Path) -> Model:
    import treelite

    trees = treelite.Model.deserialize(str(file))
    predict = treelite.gtil.predict
    if not compiled.labels:
        return lambda rows, _rows, _params: _numbers_answer(
            predict(trees, rows, nthread=1).reshape(len(rows), -1)
        )
    classes = np.array(compiled.classes, dtype=compiled.labels)

    def model(rows: Array, _rows: int, _params: dict[str, Any] | None) -> Answer:
        found = predict(trees, rows, nthread=1).reshape(len(rows), -1)
        if found.shape[1] == 1:
            found = np.hstack([1 - found, found])
        labels = classes.take(found.argmax(axis=1))
        return Answer((PREDICTIONS, PROBABILITIES), (labels, found))

    return model


def _numbers_answer(numbers: Array) -> Answer:
    flat = numbers.ndim == 2 and numbers.shape[1] == 1
    return Answer((PREDICTIONS,), (numbers.ravel() if flat else numbers,))


def _labels_answer(outputs: list[Array], dtype: str, *, probabilities: bool) -> Answer:
    labels = np.asarray(outputs[0])
    labels = labels if labels.dtype.kind == "O" else labels.astype(dtype)
    if not probabilities:
        return Answer((PREDICTIONS,), (labels,))
    return Answer((PREDICTIONS, PROBABILITIES), (labels, outputs[1]))


def _builder(compiled: CompiledLike, called: Called) -> InputBuilder:
    single = np.float32 if compiled.number == "float32" else np.float64
    rounded = compiled.number == "rounded"
    columns = tuple(called.columns)
    small = "" if called.tensor is None else called.tensor.dtype

    def number(column: ColumnLike, array: Array) -> Array:
        return _single(_as_fitted(column.dtype, array), single)

    def separate(arrays: Sequence[Array], rows: int) -> dict[str, Array]:
        return {
            column.name: _texts(array) if column.type == "string"
            else number(column, array).reshape(rows, 1)
            for column, array in zip(columns, _apart(arrays), strict=True)
        }  # fmt: skip

    def matrix(arrays: Sequence[Array], _rows: int) -> Array:
        if len(arrays) == 1 and arrays[0].ndim == 2 and not columns:
            whole = _as_fitted(small, arrays[0])
        elif columns:
            parts = zip(columns, _apart(arrays), strict=True)
            whole = np.array([_as_fitted(column.dtype, array) for column, array in parts]).T
        else:  # rows that came as nested lists
            whole = _as_fitted(small, np.array(arrays[0].tolist()))
        if rounded:
            whole = _single(whole, np.float32)
        return np.ascontiguousarray(_single(whole, single))

    if compiled.separate:
        return separate
    return matrix if compiled.kind == "treelite" else lambda a, n: {MATRIX: matrix(a, n)}


def _single(numbers: Array, dtype: type[np.floating[Any]]) -> Array:
    """Numbers as the form takes them.  Raises ValueError for one that is too large for that."""
    with np.errstate(over="ignore"):
        found = numbers.astype(dtype, copy=False)
    if found.dtype == np.float32 and np.isinf(found).any():
        raise ValueError("a number is too large for float32, with which the compiled form computes")
    return found


def _apart(arrays: Sequence[Array]) -> Sequence[Array]:
    """One array for each column, also where they came as one matrix."""
    return list(arrays[0].T) if len(arrays) == 1 and arrays[0].ndim == 2 else arrays


def _as_fitted(dtype: str, array: Array) -> Array:
    """Numbers as the model would get them: a missing one is NaN, a small float is rounded."""
    if array.dtype.kind == "O":
        flat = [np.nan if value is None else value for value in array.ravel().tolist()]
        array = np.array(flat, dtype=np.float64).reshape(array.shape)
    return array.astype(dtype.lower()) if dtype in _SMALL_FLOATS else array


def _texts(array: Array) -> Array:
    values = ["nan" if value is None or value != value else value for value in array.tolist()]
    return np.array(values, dtype=object).reshape(-1, 1)
