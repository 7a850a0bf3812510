"""The model's answer, made so that it can travel: arrays of numbers, strings and JSON values.

Rule: the kernel and the replica make their answers with these very functions, so that two answers
which were equal before are equal after.  Nothing is rounded.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from jupyter_deploy.wire.arrays import Array

PREDICTIONS, PROBABILITIES = "predictions", "probabilities"


class NotJson(TypeError):
    """A value that cannot be written as JSON."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, ready for `wire.messages.PredictAnswer`."""

    names: tuple[str, ...]
    arrays: tuple[Array, ...]
    rowwise: bool = True
    columns: bool = False


def answer_of(output: Any, rows: int) -> Answer:
    """`output` of a function or of `predict`, called with `rows` rows.

    A frame, or a dict of sequences with a value for each row, gives its columns; an array, series
    or list with a value for each row gives "predictions"; anything else is one JSON value.  Raises
    NotJson when a value cannot be written as JSON.
    """
    named = _named_columns(output, rows)
    if named is not None:
        arrays = tuple(wireable(values) for values in named.values())
        return Answer(tuple(named), arrays, columns=True)
    values = _as_array(output)
    if values is not None and values.ndim and len(values) == rows:
        return Answer((PREDICTIONS,), (wireable(values),))
    return Answer((PREDICTIONS,), (_one_value(output),), rowwise=False)


def wireable(values: Any) -> Array:
    """`values` as an array that `wire.pack_arrays` takes.

    Datetimes become ISO 8601 strings, other objects JSON values.  Raises NotJson.
    """
    array = _as_array(values)
    assert array is not None, "only sequences come here"
    match array.dtype.kind:
        case "b" | "i" | "u":
            return array.astype(array.dtype.newbyteorder("="), copy=False)
        case "f":
            precise = array.dtype.itemsize > 8
            return array.astype("f8" if precise else array.dtype.newbyteorder("="), copy=False)
        case "M" | "m":
            return _objects(_moments(array), array.shape)
        case "U":
            return array
        case _:
            return _objects([json_value(value) for value in _flat(array)], array.shape)


def json_value(value: Any) -> Any:
    """`value` as JSON knows it.  A missing value is None, NaN stays NaN.  Raises NotJson."""
    if value is None or isinstance(value, (bool, int, float, str)):
        # A subclass (np.float64, np.str_, an IntEnum) would be read back as its base.
        return _plain(value)
    if isinstance(value, np.generic):
        return json_value(_scalar(value))
    if isinstance(value, Mapping):
        return {str(json_value(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_value(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return json_value(asdict(value))
    simple = _known_object(value)
    return simple if simple is not _UNKNOWN else _tabular_value(value)


_UNKNOWN: Any = object()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return json_value(value.value)
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _scalar(value: np.generic) -> Any:
    if value.dtype.kind in "Mm":
        return _moments(np.asarray([value]))[0]
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        return float(value)
    return value.item()


def _known_object(value: Any) -> Any:
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas may not be imported
        return None
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Enum):
        return json_value(value.value)
    return _UNKNOWN


def _tabular_value(value: Any) -> Any:
    if _is_frame(value):
        names = [str(name) for name in value.columns]
        rows = value.itertuples(index=False, name=None)
        return [dict(zip(names, json_value(row), strict=True)) for row in rows]
    array = _as_array(value)
    if array is None:
        raise NotJson(f"{_kind(value)} cannot be written as JSON")
    return json_value(array.tolist() if array.dtype.kind not in "Mm" else _moments(array))


def _named_columns(output: Any, rows: int) -> dict[str, Any] | None:
    if _is_frame(output):
        names = [str(name) for name in output.columns]
        if len(output) != rows or len(set(names)) != len(names) or not names:
            return None
        return {name: output.iloc[:, index] for index, name in enumerate(names)}
    if not isinstance(output, Mapping) or not output:
        return None
    whole = all(_has_rows(values, rows) for values in output.values())
    return {str(name): values for name, values in output.items()} if whole else None


def _has_rows(values: Any, rows: int) -> bool:
    if isinstance(values, (str, bytes)) or _len(values) != rows:
        return False
    return isinstance(values, (list, tuple)) or _is_array_like(values)


def _len(values: Any) -> int | None:
    try:
        return len(values)
    except TypeError:
        return None


def _one_value(output: Any) -> Array:
    return _objects([json_value(output)], (1,))


def _as_array(values: Any) -> Array | None:
    """`values` as an array, or None when they are no sequence of values."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, (list, tuple)):
        return _array_of(values)
    if hasattr(values, "toarray"):  # a sparse matrix of SciPy
        return np.asarray(values.toarray())
    if hasattr(values, "detach"):  # a tensor of torch that may need its gradient
        return np.asarray(values.detach().cpu())
    return _plain_array(values) if _is_array_like(values) else None


def _plain_array(values: Any) -> Array:
    dtype = getattr(values, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and not hasattr(values, "detach"):
        # An extension array of pandas: its missing values would bend integers to floats.
        return _extension_array(values)
    return np.asarray(values)


def _extension_array(values: Any) -> Array:
    kind = getattr(values.dtype, "kind", "O")
    plain = getattr(values.dtype, "numpy_dtype", None)
    if kind in "biuf" and plain is not None and not values.isna().any():
        return np.asarray(values, dtype=plain)
    return np.asarray(values, dtype=object)


def _array_of(values: Sequence[Any]) -> Array:
    """A list as an array: of numbers when all are of one kind, else of objects, one a row."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and issubclass(next(iter(kinds)), (bool, int, float, np.generic)):
        return _uniform(values)
    if kinds and all(issubclass(kind, (list, tuple, np.ndarray)) for kind in kinds):
        return _matrix(values)
    return _objects(list(values), (len(values),))


def _uniform(values: Sequence[Any]) -> Array:
    try:
        array = np.array(values)
    except OverflowError:  # an integer beyond 64 bits
        return _objects(list(values), (len(values),))
    bent = array.dtype.kind == "f" and isinstance(values[0], int)  # some need the 64th bit
    kept = array.dtype.kind in "biufUMm" and not bent
    return array if kept else _objects(list(values), (len(values),))


def _matrix(values: Sequence[Any]) -> Array:
    try:
        array = np.array(values)
    except (ValueError, OverflowError):  # rows of different lengths
        return _objects(list(values), (len(values),))
    # Mixed rows ("a", 1) would all become text.
    if array.dtype.kind not in "biuf":
        return _objects(list(values), (len(values),))
    as_given = np.array(values, dtype=object)
    return as_given if _is_bent(array, as_given) else array


def _is_bent(array: Array, as_given: Array) -> bool:
    """Whether the truth values among numbers became numbers in `array`, or a number another one."""
    given = as_given.ravel().tolist()
    flags = sum(isinstance(value, (bool, np.bool_)) for value in given)
    if flags:
        return flags < len(given)
    return array.dtype.kind == "f" and any(
        isinstance(value, (int, np.integer)) and int(value) != int(float(value)) for value in given
    )


def _objects(values: list[Any], shape: tuple[int, ...]) -> Array:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        # Element by element: NumPy would make a matrix of lists of equal length.
        array[index] = value
    if len(shape) > 1 and any(isinstance(value, (list, dict)) for value in values):
        return _objects(array.reshape(shape).tolist(), shape[:1])
    return array.reshape(shape)


def _flat(array: Array) -> list[Any]:
    return list(array.ravel())


def _moments(array: Array) -> list[Any]:
    """ISO 8601 for datetimes, seconds for differences, None for NaT."""
    if array.dtype.kind == "M":
        texts = np.datetime_as_string(array.ravel()).tolist()
        return [None if text == "NaT" else text for text in texts]
    seconds = (array.ravel() / np.timedelta64(1, "s")).tolist()
    return [None if value != value else value for value in seconds]


def _is_frame(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "iloc") and hasattr(value, "itertuples")


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, (type, np.generic))


def _kind(value: Any) -> str:
    return f"a value of type {type(value).__module__}.{type(value).__qualname__}"
