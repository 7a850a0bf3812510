"""What a decoded request is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: One row: a tuple in the contract's order (FRAME), a nested list or a scalar (ARRAY), JSON (ANY).
Row = Any


@dataclass(slots=True)
class Input:
    """The rows of one request, checked; `count` is their number, `params` MLflow's or None."""

    count: int
    rows: list[Row]
    params: dict[str, Any] | None = None
