"""One array of columns of numbers, as pandas and scikit-learn make it of their frame.

A frame of one row takes 0.3 ms to make and longer to take apart.  Rule: the same values with the
same dtype in the same order in memory, since sums in another order have other last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_deploy.replica.spec import ColumnLike
from jupyter_deploy.wire.arrays import Array

_NUMBERS = ("float64", "float32", "int64", "int32", "int16", "int8", "uint32", "uint16", "uint8",
            "bool")  # fmt: skip
#: Below, a whole number is a float64, and the same float32 by way of it.
_WHOLE = 2.0**53


#: Builds the input of one call from the arrays of a request and their number of rows.
InputBuilder = Callable[[Sequence[Array], int], Any]


class Unusual(Exception):
    """These rows are for whoever is called with a frame."""


@dataclass(frozen=True)
class Matrix:
    """Makes an array [rows, columns] with `dtype` of those arrays of a request that have `places`.

    They have `dtypes`.  Where it is `exact`, no whole number is rounded.
    """

    places: Sequence[int]
    dtypes: Sequence[np.dtype[Any]]
    dtype: np.dtype[Any]
    exact: bool = False

    def __call__(self, arrays: Sequence[Array], rows: int) -> Array:
        """The array, which may be written to.  Raises Unusual."""
        if len(arrays) == 1 and arrays[0].ndim == 2:
            return self._copied(arrays[0])
        found: Array = np.empty((rows, len(self.places)), self.dtype, order="F")
        for number, (place, dtype) in enumerate(zip(self.places, self.dtypes, strict=True)):
            if arrays[place].dtype != dtype:
                raise Unusual
            found[:, number] = arrays[place]
        if self.exact and (np.abs(found) >= _WHOLE).any():
            raise Unusual
        return found

    def _copied(self, array: Array) -> Array:
        if array.dtype != self.dtype or array.shape[1] != len(self.places):
            raise Unusual
        return np.array(array, order="F")


@dataclass(frozen=True, slots=True)
class Usually:
    """Builds by `quick`, and by `plain` what is out of the ordinary."""

    quick: InputBuilder
    plain: InputBuilder

    def __call__(self, arrays: Sequence[Array], rows: int) -> Any:
        """The input of one call."""
        try:
            return self.quick(arrays, rows)
        except Unusual:
            return self.plain(arrays, rows)

    def is_usual(self, arrays: Sequence[Array]) -> bool:
        """Whether these rows are for `quick`."""
        try:
            self.quick(arrays, len(arrays[0]))
        except Unusual:
            return False
        return True


def are_numbers(columns: Sequence[ColumnLike]) -> bool:
    """Whether all of `columns` are, and what pandas makes of them together is known."""
    return all(column.levels is None and column.dtype in _NUMBERS for column in columns)


def common(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """What columns of these become together: in pandas, or as soon as somebody computes with them.

    pandas itself makes objects of truth values and numbers.
    """
    kinds = {dtype.kind for dtype in dtypes}
    return np.dtype(np.float64) if "b" in kinds and len(kinds) > 1 else np.result_type(*dtypes)


def matrix_of(columns: Sequence[ColumnLike]) -> Matrix | None:
    """What makes an array of a frame with `columns`; None where they are not all numbers."""
    if not columns or not are_numbers(columns):
        return None
    dtypes = [np.dtype(column.dtype) for column in columns]
    dtype = common(dtypes)
    rounded = dtype.kind == "f" and any(one.kind != "f" for one in dtypes)
    return Matrix(range(len(dtypes)), dtypes, dtype, exact=rounded)
