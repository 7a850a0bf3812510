"""What models answer, and what travels: a table."""

from __future__ import annotations

import datetime
import decimal
import enum
import math

import numpy as np
import pandas as pd
import pytest

from jupyter_deploy.replica.answers import NotJson, answer_of, json_value, wireable
from jupyter_deploy.replica.inputs import build_any, build_array
from jupyter_deploy.replica.spec import TensorSpec
from jupyter_deploy.wire.arrays import pack_arrays, unpack_arrays


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(("value", "plain"), [
    (np.float64(0.1), 0.1), (np.int8(-3), -3), (np.bool_(True), True), (np.str_("x"), "x"),
    (np.datetime64("2020-01-02T03:04:05", "s"), "2020-01-02T03:04:05"),
    (pd.NaT, None), (pd.NA, None),
    (pd.Timestamp("2020-01-02"), "2020-01-02T00:00:00"), (datetime.date(2020, 1, 2), "2020-01-02"),
    (datetime.timedelta(seconds=90), 90.0), (np.timedelta64(90, "s"), 90.0),
    (decimal.Decimal("1.5"), 1.5), (decimal.Decimal(2), 2),
    (decimal.Decimal("-Infinity"), -math.inf), (Colour.RED, "red"),
    ({"a": np.arange(2), 1: (None, {3})}, {"a": [0, 1], "1": [None, [3]]}),
    (pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]), (pd.Series([1, 2]), [1, 2]),
    (np.array(3.5), 3.5),
])  # fmt: skip
def test_a_value_is_written_as_json_knows_it(value, plain):
    assert json_value(value) == plain
    assert type(json_value(value)) is type(plain)


@pytest.mark.parametrize("value", [object(), b"raw", 1j, lambda: 0])
def test_what_json_does_not_know_is_refused_with_its_type(value):
    with pytest.raises(NotJson, match="cannot be written as JSON"):
        json_value(value)


@pytest.mark.parametrize(("output", "values"), [
    (np.array([1, 2], dtype=">i4"), [1, 2]),
    (np.array([[1.5, 2], [3, 4]]), [[1.5, 2.0], [3.0, 4.0]]),
    (np.array(["a", "b"]), ["a", "b"]),
    (pd.Series([1, None], dtype="Int64"), [1, None]),
    (pd.Series([1, 2], dtype="Int64"), [1, 2]),
    (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
    (pd.to_datetime(pd.Series(["2020-01-01", None])), ["2020-01-01T00:00:00.000000", None]),
    ([1, 2], [1, 2]), (["a", "b"], ["a", "b"]), ([1, "a"], [1, "a"]), ([True, None], [True, None]),
    ([[1, 2], [3, 4]], [[1, 2], [3, 4]]), ([[1], [2, 3]], [[1], [2, 3]]),
    ([["a", 1], ["b", 2]], [["a", 1], ["b", 2]]),
    ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
    ([10**30, 1], [10**30, 1]), ((1.5, 2.5), [1.5, 2.5]),
    ([2**63, -1], [2**63, -1]), ([(2**53 + 1, 0.5), (1, 1)], [[2**53 + 1, 0.5], [1, 1]]),
    ([[np.int64(2**53 + 1), 0.5]] * 2, [[2**53 + 1, 0.5]] * 2),
    ([(True, 0.5), (np.False_, 1)], [[True, 0.5], [False, 1]]),
    (np.array([["a", "b"], ["c", "d"]], dtype=object), [["a", "b"], ["c", "d"]]),
    (np.array([[{"a": 1}, 2], [3, 4]], dtype=object), [[{"a": 1}, 2], [3, 4]]),
])  # fmt: skip
def test_an_answer_with_a_value_for_each_row_travels_unchanged(output, values):
    answer = answer_of(output, 2)
    assert answer.rowwise
    assert answer.names == ("predictions",)
    (back,) = unpack_arrays(memoryview(pack_arrays(answer.arrays)))
    # As it is written: to Python True is 1, and 1 is 1.0.
    assert repr(back.tolist()) == repr(values)


@pytest.mark.parametrize("output", [
    pd.DataFrame({"p": [0.5, 1.5], "q": ["a", None]}), {"p": [0.5, 1.5], "q": ("a", None)},
])  # fmt: skip
def test_a_frame_or_a_dict_of_sequences_travels_as_columns(output):
    answer = answer_of(output, 2)
    assert answer.columns
    assert answer.names == ("p", "q")
    assert answer.arrays[0].tolist() == [0.5, 1.5]


@pytest.mark.parametrize("output", [
    7, "text", None, {"score": 1}, [1, 2, 3], np.arange(3), {"ab": "xy"}, pd.DataFrame({"a": [1]}),
])  # fmt: skip
def test_any_other_answer_is_one_value(output):
    answer = answer_of(output, 2)
    assert not answer.rowwise
    assert answer.arrays[0].shape == (1,)


def test_floats_keep_every_bit():
    values = np.array([0.1, np.nextafter(1, 2), np.nan, np.inf, -0.0])
    (back,) = unpack_arrays(memoryview(pack_arrays([wireable(values)])))
    assert back.tobytes() == values.tobytes()


def test_records_become_a_frame_and_rows_an_array():
    records = np.array([{"a": 1}, {"a": 2}], dtype=object)
    assert build_any(records)["a"].tolist() == [1, 2]
    rows = np.empty(2, dtype=object)
    rows[:] = [[1.0, 2.0], [3.0, 4.0]]
    assert build_any(rows).shape == (2, 2)
    rows[:] = [[1.0], [3.0, 4.0]]
    assert build_any(rows).shape == (2,)


def test_rows_of_mixed_values_are_an_array_of_the_shape_the_model_was_fitted_on():
    rows = np.empty(2, dtype=object)
    rows[:] = [["a", 1], ["b", None]]
    array = build_array(TensorSpec("object", "object", (2,)), rows)
    assert array.shape == (2, 2)
    assert array.tolist() == [["a", 1], ["b", None]]
    with pytest.raises(ValueError):
        build_array(TensorSpec("object", "object", (3,)), rows)
