"""Rows as they travel: from the kernel's frame or array to the arrays of a request, and to JSON.

Rule: a gateway makes the same arrays from the JSON of the same rows.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any, Literal

import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.errors import SampleMismatch
from jupyter_deploy.replica.answers import NotJson, json_value
from jupyter_deploy.wire.arrays import Array

_ROWS_LOOKED_AT = 32


def to_arrays(contract: Contract, data: Any) -> list[Array]:
    """The arrays of a request that holds `data`, which is what `contract` was made from.

    Raises SampleMismatch for a value that JSON cannot say.
    """
    try:
        return _arrays(contract, data)
    except (NotJson, ValueError, OverflowError) as error:
        fix = "Turn it into numbers, strings or datetimes before the model."
        if type(error).__name__ == "OutOfBoundsDatetime":
            fix = "Times travel in nanoseconds, from 1677-09-22 to 2262-04-11; others as strings."
        raise SampleMismatch(f"The sample cannot be sent: {error}.", fix) from error


def _arrays(contract: Contract, data: Any) -> list[Array]:
    if contract.form is Form.FRAME:
        return [_column(column, data.iloc[:, index])
                for index, column in enumerate(contract.columns)]  # fmt: skip
    if contract.tensor is not None:
        return [_tensor(contract.tensor, data)]
    return [_objects([json_value(row) for row in _records(data)])]


def example_body(contract: Contract, arrays: list[Array]) -> str | None:
    """The first row without a missing value (else the first) as the JSON body of a request."""
    if contract.form is Form.ANY and not arrays:
        return None
    zones = [column.is_zoned for column in contract.columns] or [False] * len(arrays)
    rows = [
        _cells(array[:_ROWS_LOOKED_AT], zoned=zoned)
        for array, zoned in zip(arrays, zones, strict=True)
    ]
    row = _fullest(rows)
    values = [column[row] for column in rows]
    if contract.form is Form.FRAME:
        names = [column.name for column in contract.columns]
        return json.dumps({"dataframe_split": {"columns": names, "data": [values]}})
    if contract.form is Form.ANY and isinstance(values[0], dict):
        return json.dumps({"dataframe_records": values})
    return json.dumps({"inputs": values})


def _records(data: Any) -> list[Any]:
    if hasattr(data, "to_dict"):
        return list(data.to_dict(orient="records")) if data.ndim == 2 else data.tolist()
    return list(data)


def _cells(array: Array, *, zoned: bool) -> list[Any]:
    """The rows of an array as JSON values: NaN and NaT are null, datetimes ISO 8601."""
    if array.dtype.kind == "M":
        zone: Literal["UTC", "naive"] = "UTC" if zoned else "naive"
        texts = np.datetime_as_string(array, unit="auto", timezone=zone).tolist()
        return [None if text == "NaT" else text for text in texts]
    return [_without_nan(value) for value in array.tolist()]


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return value if not isinstance(value, float) or np.isfinite(value) else None


def _fullest(columns: list[list[Any]]) -> int:
    count = len(columns[0])
    whole = (row for row in range(count) if all(column[row] is not None for column in columns))
    return next(whole, 0)


def _column(column: Column, series: Any) -> Array:
    absent = series.isna().to_numpy()
    match column.type:
        case Type.FLOAT:
            return _floats(series).astype(_sent_as(column, "f"), copy=False)
        case Type.DATETIME:
            return _moments(series)
        case Type.INTEGER if not absent.any():
            return np.asarray(series.to_numpy(dtype=_sent_as(column, "iu")))
        case Type.BOOLEAN if not absent.any():
            return np.asarray(series.to_numpy(dtype="bool"))
        case _:
            pairs = zip(series.tolist(), absent.tolist(), strict=True)
            return _objects([None if gone else json_value(value) for value, gone in pairs])


def _sent_as(column: Column, kinds: str) -> str:
    """The dtype of a column of numbers on its way: its own, where NumPy has that."""
    plain = column.dtype.lower()
    with contextlib.suppress(TypeError):
        if np.dtype(plain).kind in kinds and np.dtype(plain).itemsize <= 8:
            return plain
    return "float64" if kinds == "f" else "int64"


def _floats(series: Any) -> Array:
    if getattr(series.dtype, "kind", "") == "m":
        series = series.dt.total_seconds()
    return np.array(series.to_numpy(dtype="float64", na_value=np.nan))


def _moments(series: Any) -> Array:
    import pandas as pd

    moments = pd.DatetimeIndex(pd.to_datetime(series))
    if moments.tz is not None:
        moments = moments.tz_convert("UTC").tz_localize(None)
    return np.array(moments.as_unit("ns").to_numpy())


def _tensor(tensor: Tensor, data: Any) -> Array:
    if tensor.type in (Type.STRING, Type.OBJECT):
        return _values(tensor, data)
    if tensor.container == "series":
        return _column(Column("", tensor.type, tensor.dtype), data)
    array = np.asarray(data)
    if array.dtype.kind == "O":
        absent = _absent(array)
        if absent.any() and tensor.type in (Type.INTEGER, Type.BOOLEAN):
            return _values(tensor, array)
        array = array.copy()
        array[absent] = None
        target = {Type.FLOAT: "float64", Type.INTEGER: "int64", Type.BOOLEAN: "bool"}
        return array.astype(target.get(tensor.type, "datetime64[ns]"))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype("float64")
    return array.astype("datetime64[ns]") if array.dtype.kind == "M" else array


def _values(tensor: Tensor, data: Any) -> Array:
    values = data.tolist() if hasattr(data, "tolist") else list(data)
    plain = [json_value(value) for value in values]
    if not tensor.shape:
        return _objects([None if value != value else value for value in plain])
    array = np.empty((len(plain), *tensor.shape), dtype=object)
    array[...] = plain
    return array


def _absent(array: Array) -> Array:
    import pandas as pd

    return np.asarray(pd.isna(array))


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array
