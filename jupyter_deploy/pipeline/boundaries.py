"""Rows on which two forms of a model are most likely to differ: where the model changes its mind.

Between two rows with different answers there is a place where the answer changes.  It is found by
halving the way until the two ends are neighbours in floating point; nothing is known of the model
but its answers, so that it works behind any preprocessing.  A tree's threshold is found to the last
bit, and the floats around it, of 64 and of 32 bits, show how a form rounds.

Rule: rows are as they travel (`wire`); numbers move, everything else is taken from the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jupyter_deploy.wire.arrays import Array

#: For each row of a table one row of numbers; NaN equals NaN.
Outcome = Callable[[Sequence[Array]], Array]

PAIRS, STEPS, CROSSED = 48, 5, 256
#: 53 bits and some for a threshold smaller than the values around it.
_HALVINGS = 80


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, taken apart into the numbers, which can move, and the rest."""

    numbers: Array
    whole: Array
    arrays: list[Array]
    places: list[int]

    @classmethod
    def of(cls, arrays: Sequence[Array]) -> Table:
        """The rows of `arrays`: one matrix, or one array for each column."""
        if len(arrays) == 1 and arrays[0].ndim == 2 and arrays[0].dtype.kind in "fiu":
            matrix = arrays[0].astype(np.float64)
            whole = np.full(matrix.shape[1], arrays[0].dtype.kind in "iu")
            return cls(matrix, whole, list(arrays), [])
        places = [
            place for place, array in enumerate(arrays)
            if array.ndim == 1 and array.dtype.kind in "fiu"
        ]  # fmt: skip
        numbers = np.array([arrays[place] for place in places], dtype=np.float64)
        whole = np.array([arrays[place].dtype.kind in "iu" for place in places], dtype=bool)
        return cls(numbers.T.reshape(len(arrays[0]), -1), whole, list(arrays), places)

    def rows(self, chosen: Array, numbers: Array) -> list[Array]:
        """The rows `chosen`, with other numbers."""
        if not self.places:
            first = self.arrays[0]
            return [numbers.astype(first.dtype) if numbers.size else first[chosen]]
        picked = [array[chosen] for array in self.arrays]
        for column, place in enumerate(self.places):
            picked[place] = numbers[:, column].astype(self.arrays[place].dtype)
        return picked


def boundary_rows(
    outcome: Outcome, labels: Outcome | None, sample: Sequence[Array], more: Callable[[], bool]
) -> list[Array]:
    """Rows around the places where `outcome` (and `labels`, of a classifier) change.

    `more` says whether there is time for another halving.  Raises what the model raises.
    """
    draw = np.random.default_rng(0)
    table = Table.of(sample)
    parts = [[array[:0] for array in sample]]
    if table.numbers.shape[1]:
        if labels is not None:
            parts.append(_between(labels, table, *_whole_rows(table, draw), more))
        parts.append(_between(outcome, table, *_one_column(table, draw), more))
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def crossed(sample: Sequence[Array]) -> list[Array]:
    """Rows whose values each come from some row of the sample."""
    draw = np.random.default_rng(1)
    rows = len(sample[0])
    count = min(CROSSED, 4 * rows)
    if len(sample) == 1 and sample[0].ndim == 2:
        places = draw.integers(0, rows, (count, sample[0].shape[1]))
        return [np.take_along_axis(sample[0], places, axis=0)]
    return [array[draw.integers(0, rows, count)] for array in sample]


def halved(
    same: Callable[[Array], Array],
    low: Array,
    high: Array,
    whole: Array,
    more: Callable[[], bool] = lambda: True,
) -> tuple[Array, Array]:
    """`low` and `high` moved towards each other until no number lies between them.

    `same(rows)` says for each row whether it still answers as its low end did; where `whole`,
    numbers stay integers.
    """
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        middle = np.where(whole, np.trunc(middle), middle)
        over = ~np.isfinite(middle)
        middle = np.where(over, low, middle)
        stuck = ((middle == low) | (middle == high) | over).all(axis=1)
        if stuck.all() or not more():
            break
        stays = same(middle)[:, None]
        low, high = np.where(stays, middle, low), np.where(stays, high, middle)
    return low, high


def around(values: Array) -> Array:
    """For each number the floats next to it, of 64 and of 32 bits, and the ties between those."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype(np.float32)
        up = np.nextafter(single, np.float32(np.inf))
        down = np.nextafter(single, np.float32(-np.inf))
        middle = single.astype(np.float64)
        found = np.stack([
            values,
            np.nextafter(values, np.inf),
            np.nextafter(values, -np.inf),
            middle,
            up.astype(np.float64),
            down.astype(np.float64),
            middle + (up.astype(np.float64) - middle) / 2,
            middle - (middle - down.astype(np.float64)) / 2,
        ])  # fmt: skip
    return np.where(np.isfinite(found), found, values)


def _whole_rows(table: Table, draw: np.random.Generator) -> tuple[Array, Array, Array]:
    """Pairs of rows, the second with the first one's text: which rows, and both ends."""
    rows = len(table.numbers)
    one, other = draw.integers(0, rows, (2, PAIRS * 4))
    return one, table.numbers[one], _without_gaps(table.numbers[one], table.numbers[other])


def _one_column(table: Table, draw: np.random.Generator) -> tuple[Array, Array, Array]:
    """Pairs of rows that differ in one number: the columns in turn."""
    rows, width = table.numbers.shape
    count = max(PAIRS * 4, STEPS * width)
    one, other = draw.integers(0, rows, (2, count))
    column = np.arange(count) % width
    low = table.numbers[one]
    high = low.copy()
    high[np.arange(count), column] = table.numbers[other, column]
    return one, low, _without_gaps(low, high)


def _without_gaps(low: Array, high: Array) -> Array:
    """`high`, but that of `low` where one of the two is missing: there is no way between."""
    return np.where(np.isfinite(low) & np.isfinite(high), high, low)


def _between(
    outcome: Outcome,
    table: Table,
    chosen: Array,
    low: Array,
    high: Array,
    more: Callable[[], bool],
) -> list[Array]:
    before = outcome(table.rows(chosen, low))
    keep = ~_equal(before, outcome(table.rows(chosen, high)))
    if not keep.any():
        return [array[:0] for array in table.arrays]
    most = max(PAIRS, STEPS * table.numbers.shape[1])
    chosen, low, high, before = (part[keep][:most] for part in (chosen, low, high, before))
    low, high = halved(
        lambda numbers: _equal(before, outcome(table.rows(chosen, numbers))),
        low, high, table.whole, more,
    )  # fmt: skip
    moved = low != high
    steps = [
        np.where(moved & ~table.whole, step, end)
        for end in (low, high)
        for step in around(end)
    ]  # fmt: skip
    return table.rows(np.tile(chosen, len(steps)), np.concatenate(steps))


def _equal(one: Array, other: Array) -> Array:
    """For each row whether the two say the same."""
    same = (one == other) | ((one != one) & (other != other))
    return np.asarray(same.reshape(len(same), -1).all(axis=1))
