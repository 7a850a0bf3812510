"""The body of a prediction request, made from what a person has in a notebook; and back.

Rule 1: no value is bent.  A number is written so that reading it gives the same number, a missing
value (NaN, None, NA, NaT) is null, a time is ISO 8601 with all of its digits, a duration is its
seconds; what JSON cannot say (infinity, a complex number, any other object) is refused.  Rule 2:
pandas is not imported for somebody who does not use it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from jupyter_deploy.errors import UsageError

#: The forms of MLflow's scoring protocol: a mapping with one of them is a body already.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def encode(data: Any, params: Mapping[str, Any] | None = None) -> bytes:
    """`data` as the JSON body of an invocation.

    A DataFrame (of pandas or polars) becomes `dataframe_split`, a list of mappings
    `dataframe_records`, a mapping that is a body already stays what it is; arrays, lists, Series
    (of either) and other values become `inputs`.
    Raises UsageError for a value that JSON cannot say.
    """
    body = _body(data)
    if params:
        body = {**body, "params": plain(params)}
    return msgspec.json.encode(body)


def plain(value: Any) -> Any:
    """`value` in nothing but dict, list, str, int, float, bool and None.  Raises UsageError."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float | np.generic):
        return _scalar(value)
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if _pandas_has(value, "DataFrame"):
        return {"columns": [str(name) for name in value.columns], "data": _rows(value)}
    if _pandas_has(value, "Series", "Index"):
        return _column(value)
    if hasattr(value, "toarray"):  # a sparse matrix
        return _array(value.toarray())
    if _is_listed(value):
        return [plain(item) for item in value]
    return _scalar(value)


def answer(predictions: Any) -> Any:
    """What the model's own predict would give.

    An array of the rows' predictions, a DataFrame where each of them is a record, and any other
    value as it is.
    """
    if not isinstance(predictions, list):
        return predictions
    if predictions and all(isinstance(row, dict) for row in predictions):
        import pandas as pd

        return pd.DataFrame.from_records(predictions)
    return _as_array(predictions)


def _body(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        given = {str(key): plain(value) for key, value in data.items()}
        return given if any(form in given for form in FORMS) else {"inputs": given}
    if _pandas_has(data, "DataFrame"):
        return {"dataframe_split": plain(data)}
    if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # a frame of polars
        columns = [str(name) for name in data.columns]
        return {"dataframe_split": {"columns": columns, "data": plain(data.rows())}}
    if isinstance(data, list) and data and all(isinstance(row, Mapping) for row in data):
        return {"dataframe_records": plain(data)}
    return {"inputs": plain(data)}


def _pandas_has(value: Any, *names: str) -> bool:
    # Whoever holds a frame has imported pandas.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, tuple(getattr(pandas, name) for name in names))


def _is_listed(value: Any) -> bool:
    """Whether it is values one after the other: a list, a set, a Series of polars."""
    if type(value).__name__ == "Series":
        return hasattr(value, "to_list")
    listed = isinstance(value, Sequence | set | frozenset)
    return listed and not isinstance(value, bytes | bytearray)


def _rows(frame: Any) -> list[list[Any]]:
    # By position: names may occur twice.
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)] or [[] for _ in range(len(frame))]


def _column(series: Any) -> list[Any]:
    if isinstance(series.dtype, np.dtype):
        return list(_array(series.to_numpy()))
    # Extension types (Int64, boolean, str, category, time zones) give Python's own values.
    missing = series.isna()
    values = series.astype(object)
    return [None if gone else plain(value) for gone, value in zip(missing, values, strict=True)]


def _array(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind == "f":
        return _floats(array)
    if array.dtype.kind in "biu":
        return array.tolist()
    if array.dtype.kind == "M":
        return _times(array)
    if array.dtype.kind == "m":
        return _floats(array / np.timedelta64(1, "s"))
    return plain(array.tolist())


def _floats(array: np.ndarray[Any, Any]) -> Any:
    if np.isinf(array).any():
        raise _refused("infinity")
    if array.dtype.itemsize > np.dtype(np.float64).itemsize:
        array = array.astype(np.float64)
    # msgspec writes NaN as null, and any other number with the digits that give it back.
    return array.tolist()


def _times(array: np.ndarray[Any, Any]) -> Any:
    if array.ndim != 1:
        return [_times(row) for row in array] if array.ndim else _time(array)
    return [None if np.isnat(moment) else _time(moment) for moment in array]


def _time(moment: Any) -> str:
    text = str(np.datetime_as_string(moment))
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return _array(np.asarray(value))
    if isinstance(value, float):
        if math.isinf(value):
            raise _refused("infinity")
        return None if math.isnan(value) else float(value)
    if isinstance(value, int):
        return int(value)
    if _missing(value):
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return plain(float(value))
    raise _refused(f"a value of type {type(value).__name__}")


def _missing(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def _refused(what: str) -> UsageError:
    return UsageError(
        f"The data holds {what}, which JSON cannot say.",
        "Send numbers, strings, booleans, times, or missing values (NaN, None).",
    )


def _as_array(rows: list[Any]) -> np.ndarray[Any, Any]:
    numbers = [row for row in rows if isinstance(row, int | float) and not isinstance(row, bool)]
    if numbers and len(numbers) + rows.count(None) == len(rows):
        array = np.asarray([math.nan if row is None else row for row in rows])
        # Beside a fraction or a missing one, a whole number may have more digits than a float.
        return _objects(rows) if array.dtype.kind == "f" and _is_rounded(numbers) else array
    if rows and all(isinstance(row, bool) for row in rows):
        return np.asarray(rows)
    if rows and all(isinstance(row, list) for row in rows):
        return _stacked([_as_array(row) for row in rows])
    return _objects(rows)


def _is_rounded(numbers: list[Any]) -> bool:
    """Whether a whole number of these is another one as a float."""
    return any(isinstance(one, int) and int(float(one)) != one for one in numbers)


def _stacked(arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    if len({array.shape for array in arrays}) == 1:
        stacked = np.stack(arrays)
        whole = [array for array in arrays if array.dtype.kind in "iu"]
        if stacked.dtype.kind != "f" or not any(_is_rounded(one.ravel().tolist()) for one in whole):
            return stacked
    return _objects([array.tolist() for array in arrays])


def _objects(rows: list[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array
