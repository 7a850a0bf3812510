"""Rows of a model that takes an array: the fast pass and the careful one, one beside the other.

A row is a nested list of the tensor's shape, or a scalar where the shape is (); a dimension below
zero may have any length, the same in all rows.  Times come out as nanoseconds, as everywhere in
this package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from jupyter_deploy.core.contract import Column, Tensor, Type
from jupyter_deploy.gateway.decode import numbers, pieces
from jupyter_deploy.gateway.decode.faults import Faults, misfit
from jupyter_deploy.gateway.decode.frames import value_type
from jupyter_deploy.gateway.decode.records import FAILURES, names_of_first, record_reader
from jupyter_deploy.gateway.decode.rows import Path, Rows
from jupyter_deploy.gateway.decode.values import Refused, check, element, kind
from jupyter_deploy.wire.arrays import Array

#: A reader takes half a kilobyte for each name, and where any number fits there may be millions.
_MOST_NAMES = 10_000


class TensorReader:
    """Reads the rows that one tensor describes, in compiled code; None when in doubt."""

    def __init__(self, tensor: Tensor) -> None:
        self._element = element(tensor)
        self._shape = tensor.shape
        self._decoder: msgspec.json.Decoder[list[Any]] | None = None
        self._value = value_type(self._element)
        self._column = msgspec.json.Decoder(list[self._value])  # type: ignore[name-defined]
        # Times and nested values are left to the careful pass, sizes below zero to its last check.
        self._known = tensor.type not in (Type.DATETIME, Type.OBJECT)
        if self._known and all(size >= 0 for size in tensor.shape):
            self._decoder = msgspec.json.Decoder(list[_row_type(tensor)])  # type: ignore[misc]

    def rows(self, data: Raw) -> Rows | None:
        """A list of rows, or of objects whose members are one."""
        if memoryview(data).nbytes >= pieces.LONG_BYTES and _are_objects(data):
            return self._records(data)
        if self._decoder is None:
            return None
        if memoryview(data).nbytes >= pieces.LONG_BYTES and numbers.are_numbers(self._element):
            rows = numbers.read(self._decoder.decode, data, self._element)
            if rows is not None and len(rows):
                return rows
        try:
            return pieces.read(self._decoder.decode, data) or None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def split(self, columns: Raw, data: Raw) -> Rows | None:
        """Rows of `dataframe_split`."""
        try:
            count = len(msgspec.json.decode(columns, type=list[Any]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if self._shape == (count,):
            return self.rows(data)
        if memoryview(data).nbytes < pieces.LONG_BYTES or not self._takes(count):
            return None
        row = Annotated[list[self._value], Meta(min_length=count, max_length=count)]  # type: ignore[name-defined]
        return self._flat(msgspec.json.Decoder(list[row]).decode, data)

    def lists(self, lists: Mapping[str, Raw]) -> Array | None:
        """A long list of numbers for each column, in the order of the columns."""
        if self._shape not in ((len(lists),), (-1,)) or not numbers.are_numbers(self._element):
            return None
        columns = []
        for data in lists.values():
            column = numbers.read(self._column.decode, data, self._element)
            if column is None:
                return None
            columns.append(column)
        rows = numbers.side_by_side(columns)
        return rows if rows is not None and rows.size else None

    def _records(self, data: Raw) -> Rows | None:
        """A long list of objects with the same members, in the order of the first one's."""
        names = names_of_first(data)
        if names is None or not self._takes(len(names)):
            return None
        read = record_reader(dict.fromkeys(names, self._value))
        return None if read is None else self._flat(read, data)

    def _takes(self, width: int) -> bool:
        """Whether rows of so many values may be read at once."""
        if self._shape == (-1,):
            return self._known and width <= _MOST_NAMES
        return self._known and self._shape in ((width,), () if width == 1 else None)

    def _flat(self, decode: Callable[[Raw | bytes], list[Any]], data: Raw) -> Rows | None:
        """Rows of a width that it takes."""
        single = self._shape == ()
        if numbers.are_numbers(self._element):
            rows = numbers.read(decode, data, self._element)
            if rows is None or not rows.size:
                return None
            return rows.reshape(-1) if single else rows
        try:
            read = pieces.read(decode, data)
        except FAILURES:
            return None
        return [row[0] if single else list(row) for row in read] or None


def read_rows(tensor: Tensor, data: Any, at: Path) -> list[Any]:
    """A list of rows, as plain JSON values.  Raises BadInput."""
    if not isinstance(data, list):
        raise misfit(at, "array of rows", kind(data))
    if not data:
        raise misfit(at, "at least one row", "no rows")
    walk = _Walk(element(tensor), tensor.shape)
    rows = [walk.read(row, 0, (*at, index), index) for index, row in enumerate(data)]
    walk.faults.raise_if_any()
    return rows


def read_columns(tensor: Tensor, names: list[str], rows: list[list[Any]], at: Path) -> list[Any]:
    """Rows of a frame, in the order of their columns, as rows of the tensor.  Raises BadInput."""
    width = 1 if tensor.shape == () else math.prod(tensor.shape)
    if len(tensor.shape) > 1 or (width >= 0 and len(names) != width):
        wanted = f"array of the shape {list(tensor.shape)} for each row"
        raise misfit(at, wanted, f"{len(names)} columns")
    data = [row[0] for row in rows] if tensor.shape == () else rows
    return read_rows(tensor, data, at)


def _are_objects(data: Raw) -> bool:
    return bytes(memoryview(data)[:64]).translate(None, b" \t\r\n")[1:2] == b"{"


def _row_type(tensor: Tensor) -> Any:
    kind_of_row: Any = value_type(element(tensor))
    for size in reversed(tensor.shape):
        bounds = Meta(min_length=size, max_length=size)
        kind_of_row = Annotated[list[kind_of_row], bounds]
    return kind_of_row


class _Walk:
    """One pass through nested lists, with what it found wrong.

    A size that may be any is that of the first list there: rows of different shapes are no array.
    """

    def __init__(self, column: Column, shape: tuple[int, ...]) -> None:
        self.faults = Faults()
        self._column = column
        self._shape = list(shape)

    def read(self, value: Any, depth: int, at: Path, row: int) -> Any:
        if depth == len(self._shape):
            return self._leaf(value, at, row)
        size = self._shape[depth]
        if not isinstance(value, list) or (size >= 0 and len(value) != size):
            wanted = f"array of {size} values" if size >= 0 else "array"
            got = f"{len(value)} values" if isinstance(value, list) else kind(value)
            self.faults.add(at, column=None, row=row, expected=wanted, got=got)
            return None
        self._shape[depth] = len(value)
        return [self.read(item, depth + 1, (*at, i), row) for i, item in enumerate(value)]

    def _leaf(self, value: Any, at: Path, row: int) -> Any:
        try:
            return check(self._column, value)
        except Refused as refused:
            self.faults.add(at, column=None, row=row, expected=refused.expected, got=refused.got)
            return None
