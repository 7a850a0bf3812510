"""Bodies for a model that takes an array, or of which nothing is known."""

from __future__ import annotations

import pytest

from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from tests.gateway.bodies import (
    FLOAT,
    INTEGER,
    STRING,
    one,
    refusal,
    rows,
)

MATRIX = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (2, 2)))
VECTOR = Contract(Form.ARRAY, tensor=Tensor(INTEGER, "int64", (3,)))
TEXTS = Contract(Form.ARRAY, tensor=Tensor(STRING, "str", ()))
ANY_SIZE = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (-1, -1)))


def test_an_array_takes_nested_lists_of_its_shape():
    assert rows(MATRIX, {"instances": [[[1, 2], [3, 4]]]}) == [[[1.0, 2.0], [3.0, 4.0]]]
    assert rows(TEXTS, {"inputs": ["a", "b"]}) == ["a", "b"]
    assert rows(VECTOR, {"inputs": [[1.0, 2, 3]]}) == [[1, 2, 3]]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["b", "a", "c"], "data": [[1, 2, 3]]}},
        {"dataframe_split": {"data": [[1, 2, 3]]}},
        {"dataframe_records": [{"b": 1, "a": 2, "c": 3}]},
        {"inputs": {"b": [1], "a": [2], "c": [3]}},
    ],
)
def test_an_array_takes_the_columns_of_a_frame_in_the_order_sent(body):
    assert rows(VECTOR, body) == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("contract", "body", "at"),
    [
        (MATRIX, {"inputs": [[[1, 2], [3]]]}, "/inputs/0/1"),
        (MATRIX, {"inputs": [[[1, 2], [3, "x"]]]}, "/inputs/0/1/1"),
        (MATRIX, {"inputs": [[1, 2, 3, 4]]}, "/inputs/0"),
        (VECTOR, {"inputs": [1, 2, 3]}, "/inputs/0"),
        (VECTOR, {"inputs": [[1, 2]]}, "/inputs/0"),
        (VECTOR, {"dataframe_split": {"columns": ["a"], "data": [[1]]}}, "/dataframe_split/data"),
        (VECTOR, {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1, 2, None]]}},
         "/dataframe_split/data/0/2"),
        (VECTOR, {"dataframe_split": {"data": [[1, 2]]}}, "/dataframe_split/data/0"),
        (ANY_SIZE, {"inputs": [[[1, 2], [3]]]}, "/inputs/0/1"),
        (ANY_SIZE, {"inputs": [[[1], [2]], [[1]]]}, "/inputs/1"),
        (ANY_SIZE, {"inputs": [[[1, 2]], [[1]]]}, "/inputs/1/0"),
        (ANY_SIZE, {"inputs": [[], [[1]]]}, "/inputs/1"),
        (TEXTS, {"inputs": ["a", 1]}, "/inputs/1"),
        (TEXTS, {"inputs": "a"}, "/inputs"),
    ],
)  # fmt: skip
def test_an_array_of_another_shape_is_refused_at_its_place(contract, body, at):
    assert refusal(contract, body).errors[0]["pointer"] == at


def test_a_size_that_is_open_may_be_any_that_all_rows_have():
    for row in ([[1.0, 2.0, 3.0]], [[1.0], [2.0]], []):
        assert rows(ANY_SIZE, {"inputs": [row, row]}) == [row, row]


def test_where_nothing_is_known_values_are_passed_on_row_by_row():
    anything = Contract(Form.ANY)
    assert rows(anything, {"inputs": ["a", {"b": 1}]}) == ["a", {"b": 1}]
    assert rows(anything, {"dataframe_split": {"columns": ["a"], "data": [[1]]}}) == [{"a": 1}]
    assert rows(anything, {"dataframe_split": {"data": [[1], [2]]}}) == [[1], [2]]
    assert rows(anything, {"inputs": {"a": [1, 2]}}) == [{"a": 1}, {"a": 2}]
    assert refusal(anything, b'{"inputs":[[1e400]]}').errors[0]["got"] == "number out of range"


def test_a_value_that_is_nested_deeper_than_others_can_read_is_refused():
    deep = b"[" * 65 + b"]" * 65
    for contract in (Contract(Form.ANY), one(Type.OBJECT, "object")):
        assert rows(contract, b'{"inputs":[[%b]]}' % deep[2:-2])
        error = refusal(contract, b'{"inputs":[[%b]]}' % deep)
        assert error.errors[0]["expected"] == "at most 64 levels of nesting"
    assert refusal(Contract(Form.ANY), b'{"inputs":[1],"params":{"a":%b}}' % deep).errors
