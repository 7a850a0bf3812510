"""The example that a contract makes where there is no sample: the gateway takes what it shows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.core.snapshot import VersionRoute
from jupyter_deploy.gateway.decode import InputDecoder
from jupyter_deploy.gateway.example import MOST_VALUES, made_example
from jupyter_deploy.gateway.openapi import document

_DTYPES = {
    Type.INTEGER: ["int64", "int8", "uint8", "uint64", "Int16", "category", "infer"],
    Type.FLOAT: ["float64", "float32", "float16", "Float32", "category"],
    Type.BOOLEAN: ["bool", "boolean"],
    Type.STRING: ["str", "object", "category"],
    Type.DATETIME: ["datetime64[ns]", "date"],
    Type.OBJECT: ["object", "infer"],
}
_texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_types = st.sampled_from(list(Type))


@st.composite
def _columns(draw, name):
    type_ = draw(_types)
    low, high = sorted((draw(_numbers), draw(_numbers)))
    ranged, texts = draw(st.booleans()), type_ is Type.STRING and draw(st.booleans())
    levels = st.lists(st.one_of(st.integers(-300, 300), _texts, st.booleans()), max_size=3)
    return Column(
        name, type_, draw(st.sampled_from(_DTYPES[type_])), nullable=draw(st.booleans()),
        minimum=low if ranged else None, maximum=high if ranged else None,
        categories=tuple(draw(st.lists(_texts, max_size=3))) if texts else None,
        closed=draw(st.booleans()), levels=draw(st.none() | levels.map(tuple)),
    )  # fmt: skip


@st.composite
def _frames(draw):
    names = draw(st.lists(_texts, min_size=1, max_size=4, unique=True))
    columns = tuple(draw(_columns(name)) for name in names)
    return Contract(Form.FRAME, columns, strict=draw(st.booleans()))


@st.composite
def _arrays(draw):
    type_ = draw(_types)
    shape = tuple(draw(st.lists(st.integers(-1, 4), max_size=3)))
    dtype = draw(st.sampled_from(_DTYPES[type_]))
    return Contract(Form.ARRAY, tensor=Tensor(type_, dtype, shape, draw(st.booleans())))


@given(contract=st.one_of(_frames(), _arrays(), st.just(Contract(Form.ANY))))
def test_the_gateway_takes_the_example_and_its_own_schema_does_too(contract):
    made = document("x", VersionRoute("1.0.0", "1", contract, ()), "http://h", "/endpoints/x")
    body = made["paths"]["/endpoints/x/invocations"]["post"]["requestBody"]
    example = body["content"]["application/json"]["example"]
    assert InputDecoder(contract).json(json.dumps(example).encode()).count == 1
    assert Draft202012Validator(made["components"]["schemas"]["Request"]).is_valid(example)
    assert "made from the contract" in body["description"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("x", Type.STRING, "str", categories=("yearly", "monthly")), "yearly"),
        (Column("x", Type.INTEGER, "category", levels=(7, 9)), 7),
        (Column("x", Type.INTEGER, "int64", minimum=0, maximum=72), 36),
        (Column("x", Type.FLOAT, "float64", minimum=18.25, maximum=118.75), 68.5),
        (Column("x", Type.FLOAT, "float64", nullable=True), 0.0),
        (Column("x", Type.BOOLEAN, "bool"), False),
        (Column("x", Type.DATETIME, "date", minimum=1704067200, maximum=1704240000),
         "2024-01-02T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_value_is_what_was_seen_where_something_was(column, value):
    made = made_example(Contract(Form.FRAME, (column,)))
    assert made == {"dataframe_split": {"columns": ["x"], "data": [[value]]}}


def test_a_document_with_a_made_example_is_valid():
    contract = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float32", (2, -1)))
    made = document("x", VersionRoute("1.0.0", "1", contract, ()), "http://h", "/endpoints/x")
    OpenAPIV31SpecValidator(made).validate()


def test_a_row_that_nobody_would_read_is_no_example():
    big = Tensor(Type.FLOAT, "float32", (MOST_VALUES, 10**9))
    assert made_example(Contract(Form.ARRAY, tensor=big)) is None
