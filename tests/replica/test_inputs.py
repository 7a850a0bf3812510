"""A frame that is built the quick way is the frame that pandas makes of its columns."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from jupyter_deploy.replica import inputs
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.spec import ColumnSpec
from tests.replica.ways import spec_of

CITIES = ("Bern", "Oslo", "Rome")


def column_by_column(frame, arrays):
    """As pandas makes it of a dictionary."""
    made = pd.DataFrame(dict(enumerate(arrays)), index=pd.RangeIndex(len(arrays[0])))
    made.columns = frame.columns
    return made


def builder(frame):
    return input_builder(spec_of(frame))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "uint16", "bool"])
@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("packed", [True, False])
def test_columns_of_one_dtype_are_one_block(dtype, rows, packed):
    frame = pd.DataFrame(np.arange(rows * 3).reshape(rows, 3), columns=["a", "b", ""]).astype(dtype)
    arrays = [frame[name].to_numpy() for name in frame]
    for array in arrays:
        array.setflags(write=False)
    sent = [np.ascontiguousarray(frame.to_numpy())] if packed else arrays
    built = builder(frame)(sent, rows)
    assert_frame_equal(built, column_by_column(frame, arrays))
    assert built.to_numpy().flags.f_contiguous
    assert built.index.equals(pd.RangeIndex(rows))
    built.iloc[:, 0] = built.iloc[:, 0].to_numpy()[::-1]


def test_names_that_somebody_gives_are_their_own():
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    build = builder(frame)
    build([np.array([[1.0, 2.0]])], 1).columns.name = "theirs"
    assert build([np.array([[1.0, 2.0]])], 1).columns.name is None


def test_numbers_of_another_dtype_become_that_of_the_column():
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    built = builder(frame)([np.array([1]), np.array([None], dtype=object)], 1)
    assert_frame_equal(built, pd.DataFrame({"a": [1.0], "b": [np.nan]}))


@pytest.mark.parametrize("count", [1, 3])
def test_arrays_that_do_not_fit_are_an_error(count):
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    for arrays in ([np.ones(2)] * count, [np.ones((2, count))]):
        with pytest.raises(ValueError, match="2 columns are expected"):
            builder(frame)(arrays, 2)


VALUES = [["Oslo", "Rome"], ["Oslo", None], ["Bern", np.nan], ["Paris", "Oslo"], [], [1, "Oslo"]]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("values", VALUES)
def test_words_of_known_levels_are_what_pandas_makes_of_them(values, ordered, monkeypatch):
    column = ColumnSpec("city", "string", "category", levels=CITIES, ordered=ordered)
    array = np.array(values, dtype=object)
    quick = inputs._categorical(column, array)
    monkeypatch.setattr(inputs, "_words", lambda *_, **__: None)
    plain = inputs._categorical(column, array)
    assert quick.dtype == plain.dtype
    assert quick.codes.tolist() == plain.codes.tolist()


@pytest.mark.parametrize("levels", [(1, 2), (True, False), (1.0, "a")])
def test_levels_that_are_no_words_have_no_codes_beforehand(levels):
    assert inputs._words(levels, ordered=False) is None
