"""Many numbers as arrays: eight bytes a value at most, where a Python float takes four times that.

Rule 1: what comes out is what the values one by one would have become, and None says that one of
them has to be looked at.  Rule 2: rows are arrays only where they travel as one array.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from jupyter_deploy.core.contract import Column, Type
from jupyter_deploy.gateway.decode import pieces
from jupyter_deploy.gateway.decode.arrays import joined
from jupyter_deploy.gateway.decode.values import FLOAT_LIMITS, integer_dtype, integer_range
from jupyter_deploy.wire.arrays import Array

_NUMBERS = (Type.INTEGER, Type.FLOAT)
#: What a decoder raises, and what NumPy does with a null where none can be.
_FAILURES = (msgspec.DecodeError, RecursionError, ValueError, TypeError, OverflowError)


def are_numbers(column: Column) -> bool:
    """Whether the values of `column` are numbers."""
    return column.type in _NUMBERS


def read(decode: Callable[[Raw | bytes], list[Any]], data: Raw, column: Column) -> Array | None:
    """What `decode` makes of the long JSON array `data`, a piece at a time."""
    dtype = "float64" if column.type is Type.FLOAT else integer_dtype(column.dtype)
    try:
        return joined([np.array(rows, dtype) for rows in pieces.each(decode, data)])
    except _FAILURES:
        return None


def fit(column: Column, array: Array) -> bool:
    """Whether each number of `array` may stand in `column`; one that is missing is not a number."""
    if not array.size or not are_numbers(column):
        return False
    # A NaN among them is the smallest of all.
    low, high = array.min().item(), array.max().item()
    if column.type is Type.INTEGER:
        least, most = integer_range(column.dtype)
        return array.dtype.kind in "iu" and least <= low and high <= most
    if math.isnan(low):
        if not column.nullable:
            return False
        low, high = (least.reduce(array, axis=None).item() for least in (np.fmin, np.fmax))
    limit = FLOAT_LIMITS.get(column.dtype.lower(), np.finfo("float64").max)
    return math.isnan(low) or (-limit <= low and high <= limit)


def side_by_side(columns: Sequence[Array]) -> Array | None:
    """One matrix of `columns`, if they are of one length."""
    if len({len(column) for column in columns}) != 1:
        return None
    return np.column_stack(columns)


def as_it_travels(column: Column, array: Array) -> Array:
    """Values that fit `column` in the dtype that they travel in."""
    if array.dtype == object or not are_numbers(column):
        return array
    if column.type is Type.INTEGER:
        return array.astype(integer_dtype(column.dtype), copy=False)
    dtype = column.dtype.lower() if column.dtype.lower() in FLOAT_LIMITS else "float64"
    # By way of the widest, as a Python float does.
    return array.astype("float64", copy=False).astype(dtype, copy=False)
