"""Contracts from data: what a frame, series, array or list says of the input.

Rule 1: a contract comes from all rows where that is cheap (missing values, ranges, few categories)
and from a bounded, evenly spread part of them where it is not (many).  Rule 2: nothing is guessed:
a dtype that cannot travel is refused with its name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from jupyter_deploy.errors import SampleMismatch

MAX_ROWS_LOOKED_AT = 100_000
MAX_CATEGORIES = 100
MAX_COLUMNS = 10_000
_TOO_LARGE = 1 << 63

_OF_OBJECTS = {
    "string": Type.STRING,
    "empty": Type.STRING,
    "boolean": Type.BOOLEAN,
    "integer": Type.INTEGER,
    "floating": Type.FLOAT,
    "mixed-integer-float": Type.FLOAT,
    "datetime": Type.DATETIME,
    "datetime64": Type.DATETIME,
    "date": Type.DATETIME,
}
_OF_KINDS = {
    "b": Type.BOOLEAN,
    "i": Type.INTEGER,
    "u": Type.INTEGER,
    "f": Type.FLOAT,
    "M": Type.DATETIME,
    "U": Type.STRING,
}


def frame_contract(frame: Any) -> Contract:
    """The contract of a model called with DataFrames like `frame`.  Raises SampleMismatch."""
    _check_names(frame.columns)
    columns = [_column(name, frame.iloc[:, index]) for index, name in enumerate(frame.columns)]
    return Contract(Form.FRAME, columns=tuple(columns))


def array_contract(values: Any, container: str = "array") -> Contract:
    """The contract of a model that is called with arrays, series or lists like `values`.

    Raises SampleMismatch.
    """
    dtype = str(values.dtype) if container == "series" else None
    array = _as_array(values)
    kind = _array_type(array)
    if array.ndim == 0:
        raise SampleMismatch("The sample is one value, not rows.", "Give rows, as for predict.")
    tensor = Tensor(
        type=kind,
        dtype=dtype or ("object" if kind is Type.STRING else array.dtype.name),
        shape=array.shape[1:],
        nullable=_has_missing(array),
        container=container,
    )
    return Contract(Form.ARRAY, tensor=tensor)


def _as_array(values: Any) -> Any:
    """`values` as an array; rows of different lengths are its elements."""
    try:
        return np.asarray(values)
    except ValueError:
        rows = np.empty(len(values), dtype=object)
        for place, row in enumerate(values):
            rows[place] = row
        return rows


def output_of(
    predictions: Any, *, rowwise: bool, columns: bool, classes: Sequence[Any] | None = None
) -> Output:
    """What comes back for each row; `predictions` is the array that travels, `classes` those of
    its probabilities.
    """  # noqa: D205
    labels = None if classes is None else tuple(_label(value) for value in classes)
    if columns or not rowwise or predictions is None:
        return Output(classes=labels, probabilities=labels is not None)
    return Output(
        type=_output_type(predictions),
        shape=tuple(predictions.shape[1:]),
        classes=labels,
        probabilities=labels is not None,
    )


def _output_type(array: Any) -> Type:
    if array.dtype.kind != "O":
        return _OF_KINDS.get(array.dtype.kind, Type.OBJECT)
    kinds = {type(value) for value in array.ravel()[:1000]}
    return Type.STRING if kinds == {str} else Type.OBJECT


def _label(value: Any) -> str | int | float | bool:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, (str, int, float, bool)) else str(plain)


def _check_names(names: Any) -> None:
    if len(names) == 0:
        raise SampleMismatch("The sample has no columns.", "Give rows as the model gets them.")
    if len(names) > MAX_COLUMNS:
        raise SampleMismatch(
            f"The sample has {len(names)} columns; {MAX_COLUMNS} can be described one by one.",
            "Fit the model on a NumPy array instead.",
        )
    odd = [
        name for name in names
        if isinstance(name, bool) or not isinstance(name, (str, int, np.integer))
    ]  # fmt: skip
    if odd:
        raise SampleMismatch(
            f"The column {odd[0]!r} has no plain name.",
            "Give each column one string as its name: JSON knows no others.",
        )
    texts = [str(name) for name in names]
    twice = sorted({text for text in texts if texts.count(text) > 1}) if _repeats(texts) else []
    if twice:
        raise SampleMismatch(
            f"The sample has the column {twice[0]!r} more than once.",
            "Give each column a name of its own.",
        )


def _repeats(texts: list[str]) -> bool:
    return len(set(texts)) < len(texts)


def _column(name: Any, series: Any) -> Column:
    import pandas as pd

    dtype = series.dtype
    part = series.iloc[:: max(1, -(-len(series) // MAX_ROWS_LOOKED_AT))]
    categorical = isinstance(dtype, pd.CategoricalDtype)
    levels = _levels(name, dtype) if categorical else None
    kind = (
        _type(name, pd.Series(dtype.categories, dtype=dtype.categories.dtype))
        if categorical
        else _type(name, part)
    )
    low, high = (None, None) if categorical else _range(kind, series)
    return Column(
        name=str(name),
        type=kind,
        dtype="category" if categorical else _dtype(kind, part),
        nullable=bool(series.isna().any()),
        minimum=low,
        maximum=high,
        categories=_categories(kind, part, series),
        levels=levels,
        ordered=bool(categorical and dtype.ordered),
        missing=_missing(series),
        integer_name=not isinstance(name, str),
    )


def _dtype(kind: Type, part: Any) -> str:
    """The dtype's name; "date" for objects that are dates without a time.

    A sparse column comes as a dense one: pandas reads the names of few sparse dtypes.
    """
    import pandas as pd
    from pandas.api import types

    if isinstance(part.dtype, pd.SparseDtype):
        return str(part.dtype.subtype)
    if kind is Type.DATETIME and part.dtype == object:
        return "date" if types.infer_dtype(part, skipna=True) == "date" else "object"
    return str(part.dtype)


def _type(name: Any, series: Any) -> Type:
    from pandas.api import types

    dtype = series.dtype
    if types.is_bool_dtype(dtype):
        return Type.BOOLEAN
    if types.is_integer_dtype(dtype):
        return Type.INTEGER
    if types.is_float_dtype(dtype) or types.is_timedelta64_dtype(dtype):
        return Type.FLOAT
    if types.is_datetime64_any_dtype(dtype):
        return Type.DATETIME
    if types.is_object_dtype(dtype):
        return _type_of_objects(series)
    if types.is_string_dtype(dtype):
        return Type.STRING
    raise SampleMismatch(
        f"The column {name!r} has the dtype {dtype}, which cannot be sent as JSON.",
        "Turn it into numbers, strings or datetimes before the model.",
    )


def _type_of_objects(series: Any) -> Type:
    from pandas.api import types

    inferred = types.infer_dtype(series, skipna=True)
    if inferred == "integer" and max(abs(series.dropna())) >= _TOO_LARGE:
        return Type.OBJECT
    return _OF_OBJECTS.get(inferred, Type.OBJECT)


def _levels(name: Any, dtype: Any) -> tuple[str | int | float | bool, ...]:
    values = dtype.categories.tolist()
    infinite = any(isinstance(value, float) and math.isinf(value) for value in values)
    if all(isinstance(value, (str, int, float, bool)) for value in values) and not infinite:
        return tuple(values)
    raise SampleMismatch(
        f"The categories of the column {name!r} are not all strings or finite numbers.",
        "Turn them into strings or numbers before the model.",
    )


def _range(kind: Type, series: Any) -> tuple[float | None, float | None]:
    if kind not in (Type.INTEGER, Type.FLOAT, Type.DATETIME) or series.dtype == object:
        return None, None
    seen = series.dropna()
    if len(seen) == 0:
        return None, None
    if kind is Type.DATETIME:
        return _seconds(seen.min()), _seconds(seen.max())
    if series.dtype.kind == "m":
        seen = seen.dt.total_seconds()
    numbers = seen.to_numpy(dtype="float64")
    numbers = numbers[np.isfinite(numbers)]
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else (None, None)


def _seconds(moment: Any) -> float:
    import pandas as pd

    return float(pd.Timestamp(moment).timestamp())


def _categories(kind: Type, part: Any, series: Any) -> tuple[str, ...] | None:
    """Those of `part`, the most frequent first, and the rare ones that only all of `series` has.

    A model that refuses what it has never seen may have seen those.
    """
    if kind is not Type.STRING:
        return None
    counts = part.value_counts()
    counts = counts[counts > 0]
    if not 0 < len(counts) <= MAX_CATEGORIES:
        return None
    found = dict.fromkeys(str(value) for value in counts.index)
    if len(part) < len(series):
        found |= dict.fromkeys(str(value) for value in series.dropna().unique())
    return tuple(found) if len(found) <= MAX_CATEGORIES else None


def _missing(series: Any) -> str:
    if series.dtype != object:
        return "nan"
    absent = series[series.isna()]
    return "none" if len(absent) and absent.iloc[0] is None else "nan"


def _array_type(array: Any) -> Type:
    if array.dtype.kind == "O":
        import pandas as pd

        return _type_of_objects(pd.Series(array.ravel()[:MAX_ROWS_LOOKED_AT], dtype=object))
    kind = _OF_KINDS.get(array.dtype.kind)
    if kind is None:
        raise SampleMismatch(
            f"The sample's dtype {array.dtype} cannot be sent as JSON.",
            "Turn it into numbers or strings before the model.",
        )
    return kind


def _has_missing(array: Any) -> bool:
    if array.dtype.kind == "O":
        import pandas as pd

        return bool(pd.isna(array.ravel()[:MAX_ROWS_LOOKED_AT]).any())
    if array.dtype.kind == "M":
        return bool(np.isnat(array).any())
    return array.dtype.kind == "f" and bool(np.isnan(array).any())
