"""Rows around a model's boundaries: ends that are neighbours, and the floats about them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.pipeline.boundaries import around, boundary_rows, crossed, halved

FLOATS = st.floats(-1e9, 1e9, allow_nan=False)


@given(FLOATS, FLOATS, FLOATS)
def test_halving_ends_at_neighbours_on_both_sides_of_a_threshold(one, other, threshold):
    low, high = min(one, other), max(one, other)
    # Far from zero: there floats are so dense that halving would take a thousand steps.
    if not low <= threshold < high or abs(threshold) < 1e-6 * (high - low):
        return
    ends = halved(
        lambda rows: rows[:, 0] <= threshold,
        np.array([[low]]), np.array([[high]]), np.array([False]),
    )  # fmt: skip
    below, above = ends[0][0, 0], ends[1][0, 0]
    assert below <= threshold < above
    assert np.nextafter(below, np.inf) == above


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_whole_numbers_stay_whole(one, other, threshold):
    low, high = min(one, other), max(one, other)
    if not low <= threshold < high:
        return
    below, above = halved(
        lambda rows: rows[:, 0] <= threshold,
        np.array([[float(low)]]), np.array([[float(high)]]), np.array([True]),
    )  # fmt: skip
    assert (below[0, 0], above[0, 0]) == (threshold, threshold + 1)


@given(FLOATS)
def test_around_a_number_are_its_neighbours_of_both_widths(value):
    found = set(around(np.array([value])).ravel().tolist())
    single = np.float32(value)
    assert {value, np.nextafter(value, np.inf), np.nextafter(value, -np.inf)} <= found
    assert {float(single), float(np.nextafter(single, np.float32(np.inf)))} <= found


def test_time_that_is_up_ends_the_halving():
    calls = []
    halved(lambda rows: calls.append(rows) or rows[:, 0] < 0, np.zeros((1, 1)), np.ones((1, 1)),
           np.array([False]), more=lambda: False)  # fmt: skip
    assert not calls


def test_rows_lie_on_both_sides_of_a_threshold_in_mixed_columns():
    sample = [np.array([1.0, 2.0, 3.0, np.nan]), np.array(list("abab"), dtype=object),
              np.array([1, 2, 30, 40])]  # fmt: skip
    threshold = 2.3

    def outcome(arrays):
        return (arrays[0] > threshold) * 1.0 + (arrays[1] == "a") * 2.0

    rows = boundary_rows(outcome, None, sample, lambda: True)
    assert [array.dtype for array in rows] == [array.dtype for array in sample]
    assert set(rows[1]) == {"a", "b"}
    assert {threshold, np.nextafter(threshold, np.inf)} <= set(rows[0])


def test_crossed_rows_take_each_value_from_its_own_column():
    matrix = np.arange(12.0).reshape(4, 3)
    (rows,) = crossed([matrix])
    assert all(set(rows[:, column]) <= set(matrix[:, column]) for column in range(3))
    assert len({tuple(row) for row in rows.tolist()} - {tuple(row) for row in matrix.tolist()})
