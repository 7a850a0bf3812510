"""Checked values as the arrays that travel to a replica.

Rule: the values have been checked, so that nothing here can fail or bend one.  A column of numbers
in which a value is missing travels as objects, except for floats, which have NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Column, Tensor, Type
from jupyter_deploy.gateway.decode.times import NOT_A_TIME
from jupyter_deploy.gateway.decode.values import FLOAT_LIMITS, element, integer_dtype
from jupyter_deploy.wire.arrays import Array


def column_array(column: Column, values: Sequence[Any]) -> Array:
    """One column."""
    match column.type:
        case Type.FLOAT:
            return np.array(values, dtype=float_dtype(column))
        case Type.DATETIME:
            filled = [NOT_A_TIME if value is None else value for value in values]
            return np.array(filled, dtype="i8").view("M8[ns]")
        case Type.INTEGER | Type.BOOLEAN if not (column.nullable and None in values):
            return np.array(values, dtype=_exact_dtype(column))
    return objects(values)


def tensor_array(tensor: Tensor, rows: Sequence[Any]) -> Array:
    """Rows of one tensor, with the rows as the first axis."""
    column = element(tensor)
    if column.type is Type.OBJECT or tensor.shape == ():
        return column_array(column, rows)
    if column.type is Type.FLOAT:
        return np.array(rows, dtype=float_dtype(column))
    # Objects first: a missing value may be anywhere.
    values = np.array(rows, dtype=object)
    return column_array(column, values.ravel().tolist()).reshape(values.shape)


def float_dtype(column: Column) -> str | None:
    """The dtype of a column of floats; None for other columns."""
    if column.type is not Type.FLOAT:
        return None
    return column.dtype.lower() if column.dtype.lower() in FLOAT_LIMITS else "float64"


def joined(parts: list[Array]) -> Array:
    """The arrays `parts` as one; they are let go one by one, and others have their turn in between.

    Raises ValueError where their rows are of different shapes.
    """
    first = parts[0]
    if any(part.shape[1:] != first.shape[1:] for part in parts):
        raise ValueError("rows of different shapes")
    dtype = np.result_type(*{part.dtype for part in parts})
    whole = np.empty((sum(map(len, parts)), *first.shape[1:]), dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def objects(values: Sequence[Any]) -> Array:
    """`values` as an array of one dimension."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        # Not in one go: NumPy would make a matrix of lists of equal length.
        array[index] = value
    return array


def _exact_dtype(column: Column) -> str:
    return "bool" if column.type is Type.BOOLEAN else integer_dtype(column.dtype)
