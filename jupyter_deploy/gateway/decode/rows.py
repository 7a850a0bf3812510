"""What a decoded request is: rows as they came, or arrays where they came as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyter_deploy.wire.arrays import Array

#: One row: a tuple in the contract's order (FRAME), a nested list or a scalar (ARRAY), JSON (ANY).
Row = Any


@dataclass(slots=True)
class Input:
    """The rows of one request; `arrays` takes the place of `rows` where the caller sent arrays.

    Invariants: exactly one of `rows` and `arrays` is there; `count` is the number of rows.
    """

    count: int
    rows: list[Row] | None = None
    arrays: list[Array] | None = None
    params: dict[str, Any] | None = None
