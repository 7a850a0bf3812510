"""Rows of a long body put together a piece at a time, in little more memory than their values need.

A Python value takes 24 bytes and more, and its place in a row eight; a number in an array takes
eight in all, a text that stands often is kept once, and a column that nobody sent takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Column, Tensor, Type
from jupyter_deploy.errors import TooManyValues
from jupyter_deploy.gateway.decode.arrays import column_array, joined, tensor_array
from jupyter_deploy.gateway.decode.rows import Columns, Values, listed
from jupyter_deploy.gateway.decode.texts import Shared
from jupyter_deploy.wire.arrays import Array

#: What is left out in some pieces and not in others is filled in, up to so many values, or as many
#: as the body has bytes: whoever sends all values needs two bytes for each.
MOST_FILLED = 10_000_000


class ColumnStack:
    """The values of one column, checked."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self._parts: list[Values | int] = []
        self._share = Shared()
        self.count = 0

    def packed(self, values: Sequence[Any]) -> Values:
        """`values` as they are kept."""
        if self._column.type is Type.STRING:
            return self._share(list(values))
        array = column_array(self._column, values)
        return list(values) if array.dtype == object else array

    def add(self, values: Values) -> None:
        """Packed values."""
        self._parts.append(values)
        self.count += len(values)

    def skip(self, count: int) -> None:
        """So many rows without a value."""
        self._parts.append(count)
        self.count += count

    @property
    def filled(self) -> int:
        """How many values `values` has to fill in: none where none was sent."""
        return self.skipped if self.skipped < self.count else 0

    @property
    def skipped(self) -> int:
        """How many values were left out."""
        return sum(part for part in self._parts if isinstance(part, int))

    def values(self) -> Values:
        """All of them, kept no longer; missing ones are what they are in `column_array`."""
        sent = [part for part in self._parts if not isinstance(part, int)]
        if not sent:
            return self._missing(self.count)
        if len(sent) < len(self._parts):
            sent = [self._missing(p) if isinstance(p, int) else p for p in self._parts]
        arrays = [one for one in sent if isinstance(one, np.ndarray) and one.dtype != object]
        if len(arrays) == len(sent):
            sent.clear()
            self._parts.clear()
            return joined(arrays)
        return [value for part in sent for value in listed(part)]

    def _missing(self, count: int) -> Array:
        return np.broadcast_to(column_array(self._column, [None]), (count,))


class FrameStack:
    """The rows of one frame, from a body of `size` bytes.

    `whole`: they go to the model in one piece, and all that is left out is filled in.
    """

    def __init__(self, columns: Sequence[Column], size: int = 0, *, whole: bool = False) -> None:
        self.columns = {column.name: ColumnStack(column) for column in columns}
        self._most = max(MOST_FILLED, size)
        self._whole = whole
        self._nulls = 0

    def add(self, count: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """`count` rows: the checked values of the columns that they have."""
        packed = {name: self.columns[name].packed(values) for name, values in columns.items()}
        for name, stack in self.columns.items():
            if name in packed:
                stack.add(packed[name])
            else:
                stack.skip(count)

    def add_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Checked rows with all columns; None may be a sent null.  Raises TooManyValues."""
        sent = {}
        for name, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            nulls = values.count(None)
            if nulls < len(values):
                sent[name] = values
                self._nulls += nulls
        self._check(self._nulls)
        self.add(len(rows), sent)

    def rows(self) -> Columns:
        """All of them, kept no longer.

        Raises TooManyValues, and ValueError for columns of different lengths.
        """
        stacks = list(self.columns.values())
        if len({stack.count for stack in stacks}) > 1:
            raise ValueError("columns of different lengths")
        filled = sum(one.skipped if self._whole else one.filled for one in stacks)
        self._check(self._nulls + filled)
        return Columns([stack.values() for stack in stacks])

    def _check(self, filled: int) -> None:
        if filled > self._most:
            raise TooManyValues(self._most)


class TensorStack:
    """The rows of one tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._parts: list[Array] = []
        self._share = Shared()

    def add(self, rows: Sequence[Any]) -> None:
        """Checked rows.  Raises ValueError where they are of different shapes."""
        tensor = self._tensor
        is_text = tensor.type is Type.STRING and tensor.shape == ()
        self._parts.append(tensor_array(tensor, self._share(list(rows)) if is_text else rows))

    def rows(self) -> Array:
        """All of them, kept no longer.  Raises ValueError where they are of different shapes."""
        return joined(self._parts)
