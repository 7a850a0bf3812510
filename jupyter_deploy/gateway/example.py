"""A request that a contract accepts, for a version that has no sample to take one from.  Pure.

Rule: every value is held against the check that requests are held against, so that the gateway
takes what its own document shows.  Whether the model makes sense of it, only a sample could tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.gateway.decode.values import (
    FLOAT_LIMITS,
    Refused,
    check,
    element,
    integer_range,
)

#: Nobody reads an example that is longer, and the shape of an image says more.
MOST_VALUES = 10_000
_EPOCH = date(1970, 1, 1)
#: The last day that fits into nanoseconds is a little later, and the first a little earlier.
_MOST_DAYS = 106_000


def made_example(contract: Contract) -> dict[str, Any] | None:
    """A body with one row, or None where a row has more than `MOST_VALUES` values."""
    match contract.form:
        case Form.FRAME:
            names = [column.name for column in contract.columns]
            values = [_value(column) for column in contract.columns]
            return {"dataframe_split": {"columns": names, "data": [values]}}
        case Form.ARRAY:
            assert contract.tensor is not None, "ARRAY has a tensor"
            return _array(contract.tensor)
        case Form.ANY:
            return {"inputs": [0]}


def _array(tensor: Tensor) -> dict[str, Any] | None:
    shape = [size if size >= 0 else 1 for size in tensor.shape]
    if math.prod(shape) > MOST_VALUES:
        return None
    row = _value(element(tensor))
    for size in reversed(shape):
        row = [row] * size
    return {"inputs": [row]}


def _value(column: Column) -> Any:
    """The first of what is likely that fits; null where nothing does."""
    return next((value for value in _likely(column) if _fits(column, value)), None)


def _likely(column: Column) -> Iterator[Any]:
    yield from (column.categories or ())[:1]
    yield from (column.levels or ())[:1]
    match column.type:
        case Type.BOOLEAN:
            yield False
        case Type.STRING:
            yield "text"
        case Type.DATETIME:
            yield _day(column)
        case Type.INTEGER:
            low, high = integer_range(column.dtype)
            yield min(max(round(_middle(column)), low), high)
        case Type.FLOAT | Type.OBJECT:
            limit = FLOAT_LIMITS.get(column.dtype.lower(), math.inf)
            yield min(max(float(f"{_middle(column):.6g}"), -limit), limit)


def _middle(column: Column) -> float:
    """The middle of the range seen, or 0."""
    if column.minimum is None or column.maximum is None:
        return 0
    return column.minimum / 2 + column.maximum / 2


def _day(column: Column) -> str:
    days = min(max(_middle(column) // 86_400, -_MOST_DAYS), _MOST_DAYS)
    return f"{_EPOCH + timedelta(days=days)}T00:00:00Z"


def _fits(column: Column, value: Any) -> bool:
    try:
        check(column, value)
    except Refused:
        return False
    return True
