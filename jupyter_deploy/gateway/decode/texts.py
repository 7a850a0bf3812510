"""Texts of long bodies: what stands often is kept once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from jupyter_deploy.gateway.decode import pieces

#: How many different values are kept; in a column of more than these, few stand twice.
_KEPT = 4096
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class Shared:
    """Gives equal values as one object, as long as there are few different ones."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def __call__(self, values: list[Any]) -> list[Any]:
        """The same values."""
        find = self._kept.setdefault if len(self._kept) < _KEPT else self._kept.get
        return [find(value, value) for value in values]


def read(decode: Callable[[Raw | bytes], list[Any]], data: Raw) -> list[Any] | None:
    """What `decode` makes of the long JSON array `data`, a piece at a time."""
    shared = Shared()
    try:
        return pieces.read(lambda piece: shared(decode(piece)), data)
    except _FAILURES:
        return None
