"""Rows as the arrays that travel to a replica, once for each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from jupyter_deploy.core.contract import Contract, Form
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.decode.arrays import (
    column_array,
    float_dtype,
    objects,
    tensor_array,
)
from jupyter_deploy.gateway.decode.numbers import as_it_travels
from jupyter_deploy.gateway.decode.rows import Columns
from jupyter_deploy.gateway.decode.rows import Rows as AnyRows
from jupyter_deploy.gateway.decode.values import element
from jupyter_deploy.wire.arrays import Array

Rows = Sequence[Any]


class ArrayBuilder:
    """Builds the arrays that one contract asks for."""

    def __init__(self, contract: Contract) -> None:
        self._build = _builder(contract)
        self._matrix = matrix_dtype(contract)
        self._columns = contract.columns
        self._first = element(contract.tensor) if contract.tensor else (*contract.columns, None)[0]

    def arrays(self, rows: AnyRows) -> list[Array]:
        """The arrays of `rows`: one for each column (FRAME), or one (ARRAY, ANY)."""
        if isinstance(rows, np.ndarray):
            assert self._first is not None, "there are no arrays of which nothing is known"
            return [as_it_travels(self._first, rows)]
        if isinstance(rows, Columns):
            return self._from_columns(rows)
        return self._build(rows)

    def _from_columns(self, rows: Columns) -> list[Array]:
        if self._matrix is not None:
            return [np.column_stack(rows.columns).astype(self._matrix, copy=False)]
        return [
            column_array(column, values)
            if isinstance(values, list)
            else as_it_travels(column, values)
            for column, values in zip(self._columns, rows.columns, strict=True)
        ]

    def batch(self, inputs: Sequence[Input]) -> list[Array]:
        """The arrays of several requests, one after the other."""
        if len(inputs) == 1:
            return self.arrays(inputs[0].rows)
        return self.arrays([row for item in inputs for row in _listed(item.rows)])


def matrix_dtype(contract: Contract) -> str | None:
    """The dtype of the one matrix that a frame of floats travels as; None for others.

    It is several times faster than an array for each column, on both ends.
    """
    dtypes = {float_dtype(column) for column in contract.columns}
    return dtypes.pop() if len(dtypes) == 1 else None


def _builder(contract: Contract) -> Callable[[Rows], list[Array]]:
    if contract.form is Form.ANY:
        return lambda rows: [objects(rows)]
    if contract.tensor is not None:
        tensor = contract.tensor
        return lambda rows: [tensor_array(tensor, rows)]
    dtype = matrix_dtype(contract)
    if dtype is not None:
        return lambda rows: [np.array(rows, dtype=dtype)]
    columns = contract.columns
    return lambda rows: [
        column_array(column, values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]


def _listed(rows: AnyRows) -> Rows:
    return rows if isinstance(rows, list) else cast("Rows", rows.tolist())
