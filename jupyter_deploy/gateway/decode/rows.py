"""What a decoded request is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from jupyter_deploy.wire.arrays import Array

#: One row: a tuple in the contract's order (FRAME), a nested list or a scalar (ARRAY), JSON (ANY).
Row = Any
#: A place in a body, from the outside to the inside.
Path: TypeAlias = tuple[str | int, ...]


#: Of one column.
Values: TypeAlias = Array | list[Any]


def listed(values: Values) -> list[Any]:
    """As Python values."""
    return values if isinstance(values, list) else values.tolist()


@dataclass(frozen=True, slots=True)
class Columns:
    """Many rows of a frame by its columns: numbers and times as arrays, others as lists."""

    columns: Sequence[Values]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, some: slice) -> Columns:
        return Columns([column[some] for column in self.columns])

    def tolist(self) -> list[Row]:
        """The rows one by one."""
        return list(zip(*map(listed, self.columns), strict=True))


#: Many numbers that travel as one array are an array from the beginning (numbers.py).
Rows: TypeAlias = list[Row] | Array | Columns


@dataclass(slots=True)
class Input:
    """The rows of one request, checked; `count` is their number, `params` MLflow's or None."""

    count: int
    rows: Rows
    params: dict[str, Any] | None = None
