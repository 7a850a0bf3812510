"""What a notebook holds becomes a request body, no value bent; and answers come back."""

import datetime as dt
import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.client.payload import answer, encode
from jupyter_deploy.errors import UsageError


class Polars:
    """What a frame of polars has; the library itself starts threads that no fork would survive."""

    def __init__(self, **columns):
        self.columns, self._rows = list(columns), list(zip(*columns.values(), strict=True))

    def rows(self):
        return self._rows

    def iter_rows(self):
        return iter(self._rows)


def sent(data, **options):
    return json.loads(encode(data, **options))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_arrives_as_the_same_float(numbers):
    frame = pd.DataFrame({"x": numbers})
    received = [row[0] for row in sent(frame)["dataframe_split"]["data"]]
    assert np.array_equal(np.array(received, dtype=float), np.array(numbers))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_every_integer_arrives_as_the_same_integer(numbers):
    assert sent(np.array(numbers, dtype="int64"))["inputs"] == numbers
    assert sent(pd.Series(numbers, dtype="Int64"))["inputs"] == numbers


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.5, np.nan]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series(["a", None]),
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", None], dtype="category"),
        pd.Series(pd.to_datetime(["2020-01-01", None])),
        pd.Series(pd.to_datetime(["2020-01-01", None])).dt.tz_localize("UTC"),
        pd.Series([{"a": 1}, pd.NaT], dtype=object),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_missing_value_of_any_type_is_null(series):
    first, second = sent(series)["inputs"]
    assert first is not None
    assert second is None


def test_times_are_iso_8601_with_all_their_digits():
    frame = pd.DataFrame(
        {
            "naive": pd.to_datetime(["2020-01-02 03:04:05.123456789"]),
            "zoned": pd.to_datetime(["2020-07-01 12:00"]).tz_localize("Europe/Rome"),
            "object": [dt.date(2020, 1, 2)],
        }
    )
    assert sent(frame)["dataframe_split"]["data"] == [
        ["2020-01-02T03:04:05.123456789", "2020-07-01T12:00:00+02:00", "2020-01-02"]
    ]
    assert sent(np.array(["2020-01-02T03:04"], dtype="M8[m]"))["inputs"] == ["2020-01-02T03:04"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_duration_is_its_seconds_whatever_its_unit(unit):
    took = pd.Series(pd.to_timedelta(["1 days 00:00:01", None])).astype(f"timedelta64[{unit}]")
    assert sent(pd.DataFrame({"took": took}))["dataframe_split"]["data"] == [[86401.0], [None]]
    assert sent([{"took": took[0]}])["dataframe_records"] == [{"took": 86401.0}]
    assert sent(took.to_numpy())["inputs"] == [86401.0, None]


def test_a_sparse_matrix_is_sent_with_its_zeros():
    assert sent(scipy.sparse.csr_array([[0.0, 1.5], [0.0, 0.0]]))["inputs"] == [[0, 1.5], [0, 0]]


def test_a_frame_keeps_its_columns_in_order_even_when_a_name_occurs_twice():
    frame = pd.DataFrame([[1, "x", 2.5]], columns=["b", 7, "b"])
    body = {"columns": ["b", "7", "b"], "data": [[1, "x", 2.5]]}
    assert sent(frame) == {"dataframe_split": body}


def test_a_frame_of_polars_keeps_its_columns_and_times():
    frame = Polars(b=[1, None], t=[dt.datetime(2024, 1, 2, 3), None])
    body = {"columns": ["b", "t"], "data": [[1, "2024-01-02T03:00:00"], [None, None]]}
    assert sent(frame) == {"dataframe_split": body}


def test_a_series_of_polars_is_its_values():
    class Series:
        def __iter__(self):
            return iter(self.to_list())

        def to_list(self):
            return [1, None, dt.datetime(2024, 1, 2, 3)]

    assert sent(Series()) == {"inputs": [1, None, "2024-01-02T03:00:00"]}


def test_each_kind_of_data_takes_its_form_of_the_protocol():
    assert sent(np.eye(2)) == {"inputs": [[1.0, 0.0], [0.0, 1.0]]}
    assert sent(["a", np.str_("b")]) == {"inputs": ["a", "b"]}
    assert sent([{"a": np.int64(1)}]) == {"dataframe_records": [{"a": 1}]}
    assert sent({"x": [1, 2]}) == {"inputs": {"x": [1, 2]}}
    assert sent({"instances": np.array([1.0])}) == {"instances": [1.0]}
    assert sent([1], params={"k": np.float32(0.5)}) == {"inputs": [1], "params": {"k": 0.5}}
    assert sent(Decimal("1.5")) == {"inputs": 1.5}


@pytest.mark.parametrize("value", [np.inf, -math.inf, 1j, object(), b"bytes"])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(UsageError, match="JSON cannot say"):
        encode([value])
    with pytest.raises(UsageError, match="JSON cannot say"):
        encode(pd.DataFrame({"x": pd.Series([value], dtype=object)}))


def test_an_infinity_in_a_column_of_floats_is_refused():
    with pytest.raises(UsageError, match="infinity"):
        encode(pd.DataFrame({"x": [1.0, np.inf]}))


@pytest.mark.parametrize(
    ("predictions", "dtype"),
    [
        ([1, 2], "int64"),
        ([1, 2.5], "float64"),
        ([True, False], "bool"),
        (["Yes", "No"], "object"),
        ([[0.1, 0.9], [0.5, 0.5]], "float64"),
        ([[1], [2, 3]], "object"),
        ([None, "a"], "object"),
        ([], "object"),
    ],
)
def test_predictions_come_back_as_the_array_that_the_model_gives(predictions, dtype):
    array = answer(predictions)
    assert array.dtype == dtype
    assert array.tolist() == predictions


def test_a_missing_prediction_among_numbers_is_nan():
    assert np.array_equal(answer([1.0, None]), [1.0, np.nan], equal_nan=True)


BIG = 2**53 + 1


@pytest.mark.parametrize("predictions", [
    [BIG, None], [BIG, 0.5], [2**63, -1], [[BIG, 1], [0.5, 1.5]], [[BIG, 0.5], [1, 2]],
])  # fmt: skip
def test_a_whole_number_keeps_its_digits_beside_others(predictions):
    assert answer(predictions).tolist() == predictions


def test_records_come_back_as_a_frame_and_other_values_as_they_are():
    pd.testing.assert_frame_equal(
        answer([{"a": 1, "b": "x"}]), pd.DataFrame({"a": [1], "b": ["x"]})
    )
    assert answer({"a": 1}) == {"a": 1}
    assert answer(None) is None
