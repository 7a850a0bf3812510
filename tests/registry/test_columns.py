"""Contracts from data, and from MLflow's signatures."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow
import pytest

from jupyter_deploy.core.contract import Contract, Form, Output, Type
from jupyter_deploy.errors import SampleMismatch
from jupyter_deploy.registry import columns
from jupyter_deploy.registry.columns import array_contract, frame_contract
from jupyter_deploy.registry.signature import contract_of, signature_of

ARROW_DAYS = pd.ArrowDtype(pyarrow.date32())


@pytest.mark.parametrize(("values", "type_", "dtype", "nullable"), [
    ([1, 2], Type.INTEGER, "int64", False),
    (np.array([1, 2], "u1"), Type.INTEGER, "uint8", False),
    ([1.0, None], Type.FLOAT, "float64", True),
    (np.array([1, 2], "f4"), Type.FLOAT, "float32", False),
    ([True, False], Type.BOOLEAN, "bool", False),
    (pd.array([True, None], "boolean"), Type.BOOLEAN, "boolean", True),
    (pd.array([1, None], "Int64"), Type.INTEGER, "Int64", True),
    (["a", None], Type.STRING, str(pd.Series(["a"]).dtype), True),
    (pd.Series(["a", 1], dtype=object), Type.OBJECT, "object", False),
    (pd.Series([True, None], dtype=object), Type.BOOLEAN, "object", True),
    (pd.Categorical(["a", "b"]), Type.STRING, "category", False),
    (pd.Categorical([1, 2]), Type.INTEGER, "category", False),
    (pd.to_datetime(["2020-01-01", None]).as_unit("ns"), Type.DATETIME, "datetime64[ns]", True),
    (pd.Series([[1], [2]]), Type.OBJECT, "object", False),
    (pd.arrays.SparseArray([0.0, 1.5], fill_value=0), Type.FLOAT, "float64", False),
    (pd.array([dt.date(2020, 1, 1), None], ARROW_DAYS), Type.DATETIME, str(ARROW_DAYS), True),
])  # fmt: skip
def test_a_column_has_the_type_and_null_rule_of_its_values(values, type_, dtype, nullable):
    column = frame_contract(pd.DataFrame({"x": values})).columns[0]
    assert (column.type, column.dtype, column.nullable) == (type_, dtype, nullable)


def test_a_category_that_is_rare_among_many_rows_is_one(monkeypatch):
    monkeypatch.setattr(columns, "MAX_ROWS_LOOKED_AT", 10)
    words = np.array(["a", "b"] * 10, dtype=object)
    words[[3, 5]] = "rare", None
    assert frame_contract(pd.DataFrame({"x": words})).columns[0].categories == ("a", "b", "rare")


@pytest.mark.parametrize("categories", [[1.0, math.inf], pd.cut([1, 2], 2)])
def test_categories_that_json_cannot_say_are_refused(categories):
    with pytest.raises(SampleMismatch, match="column 'x' are not all strings or finite numbers"):
        frame_contract(pd.DataFrame({"x": pd.Categorical(categories)}))


def test_categories_are_those_seen_most_frequent_first():
    words = pd.Series(["b", "a", "b", None])
    assert frame_contract(pd.DataFrame({"x": words})).columns[0].categories == ("b", "a")
    unused = pd.DataFrame({"x": pd.Categorical(["b", "b"], categories=["a", "b"])})
    column = frame_contract(unused).columns[0]
    assert (column.categories, column.levels) == (("b",), ("a", "b"))
    many = pd.DataFrame({"x": [str(number) for number in range(101)]})
    assert frame_contract(many).columns[0].categories is None


def test_ranges_are_finite_and_datetimes_are_seconds():
    frame = pd.DataFrame({"x": [1.0, np.inf, -2.0], "t": pd.to_datetime(["1970-01-02"] * 3)})
    x, t = frame_contract(frame).columns
    assert (x.minimum, x.maximum) == (-2.0, 1.0)
    assert (t.minimum, t.maximum) == (86400.0, 86400.0)


@pytest.mark.parametrize(("frame", "says"), [
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than once"),
    (pd.DataFrame({("a", "b"): [1]}), "no plain name"),
    (pd.DataFrame({"a": [1], True: [2]}), "True has no plain name"),
    (pd.DataFrame({"a": [1j]}), "complex128"),
    (pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="D")}), "period"),
    (pd.DataFrame(index=[1]), "no columns"),
])  # fmt: skip
def test_what_cannot_travel_is_refused_with_its_name(frame, says):
    with pytest.raises(SampleMismatch, match=says):
        frame_contract(frame)


def test_a_million_rows_are_looked_at_within_a_second_or_two():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"n": rng.random(1_000_000), "w": rng.choice(["a", "b"], 1_000_000)})
    frame.loc[999_999, "n"] = np.nan
    assert frame_contract(frame).columns[0].nullable


@pytest.mark.parametrize("contract", [
    frame_contract(pd.DataFrame({"a": [1], "b": [1.5], "c": [True], "d": ["x"],
                                 "e": pd.to_datetime(["2020-01-01"]).as_unit("ns")})),
    array_contract(np.ones((3, 2, 2), "f4")),
    Contract(Form.ANY),
])  # fmt: skip
def test_a_signature_says_the_same_as_the_contract_it_came_from(contract):
    back = contract_of(signature_of(contract))
    assert back.form is contract.form
    assert [c.name for c in back.columns] == [c.name for c in contract.columns]
    assert [c.type for c in back.columns] == [c.type for c in contract.columns]
    assert [c.nullable for c in back.columns] == [c.nullable for c in contract.columns]
    if contract.tensor is not None:
        assert (back.tensor.dtype, back.tensor.shape) == ("float32", (2, 2))


def test_the_output_is_in_the_signature():
    frame = frame_contract(pd.DataFrame({"a": [1]}))
    contract = Contract(Form.FRAME, frame.columns, output=Output(Type.FLOAT, (2,)))
    assert contract_of(signature_of(contract)).output == Output(Type.FLOAT, (2,))
