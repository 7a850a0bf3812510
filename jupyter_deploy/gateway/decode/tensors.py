"""Rows of a model that takes an array: the fast pass and the careful one, one beside the other.

A row is a nested list of the tensor's shape, or a scalar where the shape is (); a dimension below
zero may have any length, the same in all rows.  Times come out as nanoseconds, as everywhere in
this package.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from jupyter_deploy.core.contract import Tensor, Type
from jupyter_deploy.gateway.decode.faults import Faults, misfit
from jupyter_deploy.gateway.decode.frames import value_type
from jupyter_deploy.gateway.decode.rows import Path, Rows
from jupyter_deploy.gateway.decode.values import Refused, check, element, kind


class TensorReader:
    """Reads the rows that one tensor describes, in compiled code; None when in doubt."""

    def __init__(self, tensor: Tensor) -> None:
        self._decoder: msgspec.json.Decoder[list[Any]] | None = None
        # Times and nested values are left to the careful pass, sizes below zero to its last check.
        if is_known(tensor) and all(size >= 0 for size in tensor.shape):
            self._decoder = msgspec.json.Decoder(list[row_type(tensor)])  # type: ignore[misc]
        self._shape = tensor.shape

    def rows(self, data: Raw) -> Rows | None:
        """A list of rows."""
        if self._decoder is None:
            return None
        try:
            return self._decoder.decode(data) or None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def split(self, columns: Raw, data: Raw) -> Rows | None:
        """Rows of `dataframe_split`."""
        try:
            count = len(msgspec.json.decode(columns, type=list[Any]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self.rows(data) if self._shape == (count,) else None


def is_known(tensor: Tensor) -> bool:
    """Whether msgspec can say what a value of it is."""
    return tensor.type not in (Type.DATETIME, Type.OBJECT)


def read_rows(tensor: Tensor, data: Any, at: Path) -> list[Any]:
    """A list of rows, as plain JSON values.  Raises BadInput."""
    if not isinstance(data, list):
        raise misfit(at, "array of rows", kind(data))
    if not data:
        raise misfit(at, "at least one row", "no rows")
    walk = Walk(tensor)
    rows = walk.rows(data, at, 0)
    walk.faults.raise_if_any()
    return rows


def read_columns(tensor: Tensor, names: list[str], rows: list[list[Any]], at: Path) -> list[Any]:
    """Rows of a frame, in the order of their columns, as rows of the tensor.  Raises BadInput."""
    check_width(tensor, len(names), at)
    data = [row[0] for row in rows] if tensor.shape == () else rows
    return read_rows(tensor, data, at)


def check_width(tensor: Tensor, count: int, at: Path) -> None:
    """Raises BadInput unless so many columns are a row of the tensor."""
    width = 1 if tensor.shape == () else math.prod(tensor.shape)
    if len(tensor.shape) > 1 or (width >= 0 and count != width):
        wanted = f"array of the shape {list(tensor.shape)} for each row"
        raise misfit(at, wanted, f"{count} columns")


def row_type(tensor: Tensor) -> Any:
    """The type that msgspec holds a row against."""
    kind_of_row: Any = value_type(element(tensor))
    for size in reversed(tensor.shape):
        kind_of_row = list[kind_of_row]
        if size >= 0:
            kind_of_row = Annotated[kind_of_row, Meta(min_length=size, max_length=size)]
    return kind_of_row


class Walk:
    """One pass through nested lists, with what it found wrong.

    A size that may be any is that of the first list there: rows of different shapes are no array.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.faults = Faults()
        self._column = element(tensor)
        self._shape = list(tensor.shape)

    def rows(self, data: Sequence[Any], at: Path, first: int) -> list[Any]:
        """The rows from the row `first` on; `faults` gets what is wrong."""
        return [self._read(row, 0, (*at, index), index) for index, row in enumerate(data, first)]

    def _read(self, value: Any, depth: int, at: Path, row: int) -> Any:
        if depth == len(self._shape):
            return self._leaf(value, at, row)
        size = self._shape[depth]
        if not isinstance(value, list) or (size >= 0 and len(value) != size):
            wanted = f"array of {size} values" if size >= 0 else "array"
            got = f"{len(value)} values" if isinstance(value, list) else kind(value)
            self.faults.add(at, column=None, row=row, expected=wanted, got=got)
            return None
        self._shape[depth] = len(value)
        return [self._read(item, depth + 1, (*at, i), row) for i, item in enumerate(value)]

    def _leaf(self, value: Any, at: Path, row: int) -> Any:
        try:
            return check(self._column, value)
        except Refused as refused:
            self.faults.add(at, column=None, row=row, expected=refused.expected, got=refused.got)
            return None
