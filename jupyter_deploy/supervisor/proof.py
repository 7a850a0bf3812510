"""Whether a fresh process gives the notebook's own answers: labels exactly, numbers to 1e-6.

A compiled form has a tolerance of its own, which the deploy has stated.

Pure: two answers in, the rows that differ out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jupyter_deploy.core.compiled import Tolerance
from jupyter_deploy.errors import NotReproduced
from jupyter_deploy.supervisor.failures import differences
from jupyter_deploy.wire.arrays import Array
from jupyter_deploy.wire.messages import PredictAnswer

#: Two libraries that sum in another order differ by less than this; two models by more.
TOLERANCE = Tolerance(1e-6, 0.0)
_ROWS_NAMED = 5


def differing_rows(
    expected: PredictAnswer, got: PredictAnswer, within: Tolerance = TOLERANCE
) -> list[str]:
    """What differs, one sentence each: the form of the answer, or the rows (at most five)."""
    if (expected.names, expected.rowwise) != (got.names, got.rowwise):
        return [f"it answers {', '.join(got.names)}, the notebook {', '.join(expected.names)}"]
    rows: dict[int, str] = {}
    for name, before, after in zip(expected.names, expected.arrays, got.arrays, strict=True):
        if before.shape != after.shape:
            return [f"{name} has the shape {after.shape}, in the notebook {before.shape}"]
        for row in np.flatnonzero(~_equal_rows(before, after, within)).tolist():
            said = f"{name} is {_short(after, row)}, in the notebook {_short(before, row)}"
            rows.setdefault(row, f"row {row}: {said}")
    named = [rows[row] for row in sorted(rows)[:_ROWS_NAMED]]
    more = len(rows) - len(named)
    return [*named, f"and {more} more rows"] if more else named


def _equal_rows(before: Array, after: Array, within: Tolerance) -> Array:
    """For each row whether the two are equal."""
    if before.ndim == 0:
        before, after = before.reshape(1), after.reshape(1)
    equal = _equal(before, after, within)
    return np.asarray(equal.reshape(equal.shape[0], -1).all(axis=1))


def _equal(before: Array, after: Array, within: Tolerance) -> Array:
    if before.dtype.kind == "f" and after.dtype.kind == "f":
        return np.asarray(_near(before, after, within))
    if before.dtype.kind in "iub" and after.dtype.kind in "iub":
        return np.asarray(before == after)
    if before.dtype.kind == "M" and after.dtype.kind == "M":
        return np.asarray((before == after) | (np.isnat(before) & np.isnat(after)))
    pairs = zip(before.ravel().tolist(), after.ravel().tolist(), strict=True)
    same = [_same(one, other, within) for one, other in pairs]
    return np.asarray(same, dtype=bool).reshape(before.shape)


def _same(before: Any, after: Any, within: Tolerance) -> bool:
    """Whether two JSON values are equal, numbers within the tolerance."""
    if isinstance(before, float) and isinstance(after, float):
        return bool(_near(before, after, within))
    if isinstance(before, list) and isinstance(after, list):
        pairs = zip(before, after, strict=False)
        return len(before) == len(after) and all(_same(b, a, within) for b, a in pairs)
    if isinstance(before, dict) and isinstance(after, dict):
        same = before.keys() == after.keys()
        return same and all(_same(before[k], after[k], within) for k in before)
    return type(before) is type(after) and bool(before == after)


def _near(before: Any, after: Any, within: Tolerance) -> Any:
    rtol, atol = within.relative, within.absolute
    return np.isclose(after, before, rtol=rtol, atol=atol, equal_nan=True)


def _short(array: Array, row: int) -> str:
    value: Any = array.tolist() if array.ndim == 0 else array[row : row + 1].tolist()[0]
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def not_reproduced(
    differing: list[str],
    *,
    expected: Mapping[str, str],
    found: Mapping[str, str],
    steady: bool,
    function: bool,
) -> NotReproduced:
    """The error for answers that differ.

    `expected` and `found` are the packages of notebook and replica; `steady` says that the replica
    answered the same twice; `function` that the model is a function of the notebook.
    """
    detail = f"A fresh process does not give the notebook's answers: {'; '.join(differing)}."
    packages = differences(expected, found)
    if not steady:
        return NotReproduced(
            "prove",
            detail,
            "Likely cause: the model is not deterministic; it answered twice differently. "
            "Fix its random state.",
        )
    if packages:
        cause = f"Likely cause: packages at another version: {', '.join(packages)}."
    elif function:
        cause = "Likely cause: a notebook global that the function uses has changed since."
    else:
        cause = "Likely cause: the model holds state that is not saved with it."
    return NotReproduced("prove", detail, cause)
