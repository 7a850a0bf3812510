"""Rows of Python values as the arrays that travel to a replica, once for each batch.

Rule: the rows have been checked, so that nothing here can fail or bend a value.  A column of
numbers in which a value is missing travels as objects, except for floats, which have NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.decode.numbers import as_it_travels
from jupyter_deploy.gateway.decode.rows import Columns
from jupyter_deploy.gateway.decode.rows import Rows as AnyRows
from jupyter_deploy.gateway.decode.times import NOT_A_TIME
from jupyter_deploy.gateway.decode.values import FLOAT_LIMITS, element, integer_dtype
from jupyter_deploy.wire.arrays import Array

Rows = Sequence[Any]


class ArrayBuilder:
    """Builds the arrays that one contract asks for."""

    def __init__(self, contract: Contract) -> None:
        self._build = _builder(contract)
        self._columns = contract.columns
        self._first = element(contract.tensor) if contract.tensor else (*contract.columns, None)[0]

    def arrays(self, rows: AnyRows) -> list[Array]:
        """The arrays of `rows`: one for each column (FRAME), or one (ARRAY, ANY)."""
        if isinstance(rows, np.ndarray):
            assert self._first is not None, "only numbers are arrays from the beginning"
            return [as_it_travels(self._first, rows)]
        if isinstance(rows, Columns):
            return [
                column_array(column, values)
                if isinstance(values, list)
                else as_it_travels(column, values)
                for column, values in zip(self._columns, rows.columns, strict=True)
            ]
        return self._build(rows)

    def batch(self, inputs: Sequence[Input]) -> list[Array]:
        """The arrays of several requests, one after the other."""
        if len(inputs) == 1:
            return self.arrays(inputs[0].rows)
        return self.arrays([row for item in inputs for row in _listed(item.rows)])


def _builder(contract: Contract) -> Callable[[Rows], list[Array]]:
    if contract.form is Form.ANY:
        return lambda rows: [_objects(rows)]
    if contract.tensor is not None:
        tensor = contract.tensor
        return lambda rows: [tensor_array(tensor, rows)]
    dtypes = {float_dtype(column) for column in contract.columns}
    if len(dtypes) == 1 and (dtype := dtypes.pop()) is not None:
        # One matrix for all is several times faster than an array for each column, on both ends.
        return lambda rows: [np.array(rows, dtype=dtype)]
    columns = contract.columns
    return lambda rows: [
        column_array(column, values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]


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
    return _objects(values)


def tensor_array(tensor: Tensor, rows: Rows) -> Array:
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


def _exact_dtype(column: Column) -> str:
    return "bool" if column.type is Type.BOOLEAN else integer_dtype(column.dtype)


def _listed(rows: AnyRows) -> Rows:
    return rows if isinstance(rows, list) else cast("Rows", rows.tolist())


def _objects(values: Sequence[Any]) -> Array:
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        # Not in one go: NumPy would make a matrix of lists of equal length.
        array[index] = value
    return array
