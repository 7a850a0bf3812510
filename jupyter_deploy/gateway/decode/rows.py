"""What a decoded request is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from jupyter_deploy.wire.arrays import Array

#: One row: a tuple in the contract's order (FRAME), a nested list or a scalar (ARRAY), JSON (ANY).
Row = Any
#: Many numbers that travel as one array are an array from the beginning (numbers.py).
Rows: TypeAlias = list[Row] | Array
#: A place in a body, from the outside to the inside.
Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class Input:
    """The rows of one request, checked; `count` is their number, `params` MLflow's or None."""

    count: int
    rows: Rows
    params: dict[str, Any] | None = None
