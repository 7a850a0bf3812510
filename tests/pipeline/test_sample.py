"""Which frame of the notebook is taken, and which of its rows."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from jupyter_deploy.errors import NotReproduced, SampleMismatch
from jupyter_deploy.pipeline.prepare import prepare
from jupyter_deploy.pipeline.resolve import Subject, SubjectKind, resolve
from jupyter_deploy.pipeline.sample import MAX_ROWS, found_sample, given_sample, rows_to_keep

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
OF_COLUMNS = Subject(SubjectKind.ESTIMATOR, None, "model", names=("a", "b"), width=2)
OF_ARRAYS = Subject(SubjectKind.ESTIMATOR, None, "model", width=2)
OF_ANYTHING = Subject(SubjectKind.ESTIMATOR, None, "model")


def found(subject, **namespace):
    sample = found_sample(namespace, subject, lambda _: True)
    return None if sample is None else sample.origin


@pytest.mark.parametrize(("namespace", "origin"), [
    ({"df": FRAME.assign(y=0), "z": FRAME}, "frame z, 3 rows"),
    ({"df": FRAME.assign(y=0)}, "frame df, 3 rows, 2 of its 3 columns"),
    ({"big": pd.concat([FRAME] * 9), "X_train": FRAME}, "frame X_train, 3 rows"),
    ({"one": FRAME, "two": pd.concat([FRAME] * 2)}, "frame two, 6 rows"),
    ({"swapped": FRAME[["b", "a"]]}, "frame swapped, 3 rows"),
    ({"_3": FRAME}, None), ({"less": FRAME[["a"]]}, None), ({"empty": FRAME.head(0)}, None),
    ({"values": FRAME.to_numpy()}, None),
    ({"twice": FRAME[["a", "b", "b"]], "z": FRAME}, "frame z, 3 rows"),
])  # fmt: skip
def test_the_frame_found_has_the_columns_the_model_was_fitted_on(namespace, origin):
    assert found(OF_COLUMNS, **namespace) == origin


def test_the_columns_are_put_in_the_models_order():
    sample = found_sample({"df": FRAME[["b", "a"]].assign(c=0)}, OF_COLUMNS, lambda _: True)
    assert list(sample.data.columns) == ["a", "b"]


@pytest.mark.parametrize(("namespace", "origin"), [
    ({"w": np.ones((9, 2)), "x": np.ones((3, 2))}, "array x, 3 rows"),
    ({"w": np.ones((9, 3)), "v": np.ones((3, 2))}, "array v, 3 rows"),
    ({"a": FRAME.set_axis([("a", 1), ("a", 2)], axis=1), "b": FRAME.set_axis([0, 0], axis=1),
      "c": FRAME.set_axis([0, 1], axis=1).head(2)}, "frame c, 2 rows"),
    ({"w": np.ones(2)}, None), ({"w": np.array([[object(), 1]])[:0]}, None),
])  # fmt: skip
def test_the_array_found_is_as_wide_as_the_model(namespace, origin):
    assert found(OF_ARRAYS, **namespace) == origin


def test_a_frame_and_a_series_of_polars_are_samples():
    class DataFrame:
        def to_pandas(self):
            return pd.DataFrame({"b": [4], "a": [1]})

    class Series:
        def to_pandas(self):
            return pd.Series([4])

    sample = given_sample(DataFrame(), OF_COLUMNS)
    pd.testing.assert_frame_equal(sample.data, pd.DataFrame({"a": [1], "b": [4]}))
    assert given_sample(Series(), OF_ANYTHING).container == "series"


def rows_of(*rows):
    array = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        array[place] = row
    return array


@pytest.mark.parametrize("sample", [
    [[1, 2], [3]], rows_of([1, 2], [3]), rows_of(np.ones(2), np.ones(1)), [np.ones(2), [2, None]],
    np.array([[1, None], [2, pd.NA]], dtype=object), np.array([1.5, pd.NA, None], dtype=object),
    [True, None],
])  # fmt: skip
def test_rows_of_unusual_form_come_back_as_they_were(sample):
    def lengths(rows):
        return [np.size(row) for row in rows]

    prepared = prepare(resolve(lengths), sample, None, time.monotonic)
    assert prepared.answer.arrays[0].tolist() == lengths(sample)
    assert prepared.rows == len(sample)


def test_probabilities_may_be_lists_as_labels_may_be():
    class Sure:
        classes_ = ("no", "yes")

        def predict(self, rows):
            return ["yes"] * len(rows)

        def predict_proba(self, rows):
            return [[0.25, 0.75]] * len(rows)

    prepared = prepare(resolve(Sure()), FRAME, None, time.monotonic)
    assert prepared.contract.output.classes == ("no", "yes")
    assert prepared.answer.arrays[1].tolist() == [[0.25, 0.75]] * 3


def test_a_sparse_frame_travels_as_a_dense_one():
    frame = pd.DataFrame.sparse.from_spmatrix(scipy.sparse.eye_array(3, format="csr"))
    prepared = prepare(resolve(lambda rows: rows.sum(axis=1)), frame, None, time.monotonic)
    assert prepared.answer.arrays[0].tolist() == [1.0, 1.0, 1.0]


def test_a_sparse_matrix_is_found_and_a_large_one_does_not_fill_the_memory():
    large = scipy.sparse.random_array((1_000_000, 2), density=1e-4, format="csr")
    sample = found_sample({"X_train": large}, OF_ARRAYS, lambda _: True)
    assert sample.origin == "sparse matrix X_train, 1000000 rows"
    assert sample.data.shape == (MAX_ROWS, 2)


def test_a_model_that_remembers_blanks_as_underscores_finds_its_frame():
    frame = pd.DataFrame({"b": [1], "sepal length": [5.1]})
    subject = Subject(SubjectKind.ESTIMATOR, None, "model", names=("sepal_length", "b"), width=2)
    found_one = found_sample({"X": frame}, subject, lambda _: True)
    given_one = given_sample(frame, subject)
    assert list(found_one.data.columns) == list(given_one.data.columns) == ["sepal length", "b"]


def test_a_function_never_gets_a_sample_that_nobody_named():
    assert found(Subject(SubjectKind.FUNCTION, len, "len"), X_train=FRAME) is None


def test_foreign_objects_of_the_notebook_are_not_touched():
    class Touchy:
        def __len__(self):
            raise RuntimeError("touched")

        __repr__ = __len__
        shape = columns = property(__len__)

        def __getattr__(self, name):
            raise RuntimeError("touched")

    assert found(OF_COLUMNS, thing=Touchy(), X=FRAME) == "frame X, 3 rows"
    assert found(OF_ARRAYS, X=Touchy()) is None
    assert found(OF_ANYTHING, x=Touchy(), X=FRAME) == "frame X, 3 rows"


def test_a_number_is_no_sample_whatever_its_name():
    assert found(OF_ANYTHING, x=np.array(5.0), data=np.float64(3)) is None


def test_the_rows_kept_show_each_category_missing_value_and_extreme():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.random(50_000), "w": "usual"})
    frame.loc[12_345, "n"] = 99.0
    frame.loc[23_456, "w"] = "rare"
    frame.loc[34_567, "w"] = None
    rows = rows_to_keep(frame)
    assert len(rows) == len(set(rows)) == MAX_ROWS
    assert {0, 49_999, 12_345, 23_456, 34_567} <= set(rows)


def test_all_rows_of_a_small_sample_are_kept_and_odd_columns_do_no_harm():
    assert rows_to_keep(FRAME) == [0, 1, 2]
    lists = pd.DataFrame({"l": [[1]] * 999, "empty": [np.nan] * 999})
    assert len(rows_to_keep(lists)) == MAX_ROWS
    assert len(rows_to_keep(np.full((999, 2), np.nan))) == MAX_ROWS


def test_a_model_that_changes_its_rows_is_told_to_work_on_a_copy_and_has_changed_nobodys():
    def doubling(frame):
        frame["a"] *= 2
        return frame["a"]

    frame = FRAME.copy()
    with pytest.raises(NotReproduced, match=r"changes the rows .* on a copy"):
        prepare(resolve(doubling), frame, None, time.monotonic)
    assert frame.equals(FRAME)


def test_what_a_model_was_fitted_on_and_the_sample_lacks_is_not_refused():
    towns = pd.DataFrame({"town": ["Bonn", "Köln", "Trier"] * 4, "size": ["s", "m", "l"] * 4})
    columns = make_column_transformer((OneHotEncoder(), ["town"]), (OrdinalEncoder(), ["size"]))
    model = make_pipeline(columns, LogisticRegression()).fit(towns, [0, 1, 1] * 4)
    contract = prepare(resolve(model), towns.head(2), None, time.monotonic).contract
    assert all(column.closed for column in contract.columns)
    assert [set(column.categories) for column in contract.columns] == [
        {"Bonn", "Köln", "Trier"}, {"s", "m", "l"},
    ]  # fmt: skip


def test_a_time_that_cannot_be_sent_is_told_which_can():
    old = pd.DataFrame({"born": np.array(["1600-01-01", "1900-01-01"], dtype="M8[s]")})
    with pytest.raises(SampleMismatch, match=r"1600-01-01[\s\S]*from 1677-09-22 to 2262-04-11"):
        prepare(resolve(lambda frame: [1] * len(frame)), old, None, time.monotonic)


HALF = pd.Series(["a", b"caf\xe9".decode(errors="surrogateescape")] * 3, dtype=object)


@pytest.mark.parametrize(("model", "sample"), [
    (lambda frame: [1] * len(frame), pd.DataFrame({"town": HALF})),
    (DecisionTreeClassifier().fit(np.eye(6), HALF), np.eye(6)),
])  # fmt: skip
def test_half_a_character_is_said_to_be_one(model, sample):
    with pytest.raises(SampleMismatch, match=r"half a character in it \('\\udce9'\)"):
        prepare(resolve(model), sample, None, time.monotonic)
