from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.contract import (
    Column,
    Contract,
    Form,
    Output,
    Tensor,
    Type,
    incompatibilities,
)

TENURE = Column("tenure", Type.INTEGER, "int64")
PLAN = Column("plan", Type.STRING, "str", categories=("monthly", "yearly"))
OUTPUT = Output(Type.STRING, classes=("No", "Yes"), probabilities=True)
CHURN = Contract(Form.FRAME, columns=(TENURE, PLAN), output=OUTPUT)
DIGITS = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (64,)))


def with_columns(*columns):
    return replace(CHURN, columns=columns)


def test_the_same_contract_is_compatible():
    assert incompatibilities(CHURN, CHURN) == []
    assert incompatibilities(DIGITS, DIGITS) == []


@pytest.mark.parametrize(
    "new",
    [
        with_columns(PLAN, TENURE),
        with_columns(TENURE),
        with_columns(replace(TENURE, nullable=True), PLAN),
        with_columns(replace(TENURE, type=Type.FLOAT, dtype="float64"), PLAN),
        with_columns(TENURE, PLAN, Column("age", Type.FLOAT, "float64", nullable=True)),
        with_columns(replace(TENURE, minimum=0, maximum=99), PLAN),
    ],
    ids=["order", "column gone", "null allowed", "wider type", "optional column", "range"],
)
def test_what_an_older_caller_does_not_notice_is_compatible(new):
    assert incompatibilities(CHURN, new) == []


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (with_columns(TENURE, PLAN, Column("age", Type.FLOAT, "float64")), "new and required"),
        (with_columns(replace(TENURE, type=Type.STRING), PLAN), "is string, it was integer"),
        (with_columns(TENURE, replace(PLAN, closed=True)), "refuses values"),
        (replace(CHURN, strict=True), "unknown columns are refused"),
        (replace(with_columns(TENURE), strict=True), "column 'plan' is refused"),
        (replace(CHURN, output=replace(OUTPUT, classes=("a", "b"))), "classes have changed"),
        (replace(CHURN, output=replace(OUTPUT, probabilities=False)), "no probabilities"),
        (replace(CHURN, output=replace(OUTPUT, type=Type.FLOAT)), "predictions are float"),
        (DIGITS, "the input has the form array"),
    ],
)
def test_what_an_older_caller_notices_is_said(new, reason):
    assert any(reason in text for text in incompatibilities(CHURN, new))


def test_a_column_that_may_no_longer_be_missing_is_incompatible():
    old = with_columns(replace(TENURE, nullable=True), PLAN)
    assert incompatibilities(old, CHURN) == ["column 'tenure' may no longer be missing"]


def test_an_array_of_another_width_is_incompatible():
    wider = replace(DIGITS, tensor=Tensor(Type.FLOAT, "float64", (65,)))
    assert incompatibilities(DIGITS, wider) == ["a row has the shape (65,), it was (64,)"]


def test_an_input_that_is_checked_no_more_is_compatible_and_one_that_is_checked_now_is_not():
    assert incompatibilities(CHURN, Contract(Form.ANY, output=OUTPUT)) == []
    assert incompatibilities(Contract(Form.ANY, output=OUTPUT), CHURN) == [
        "the input has the form frame, it was not checked"
    ]


columns = st.builds(
    Column,
    name=st.sampled_from("abcd"),
    type=st.sampled_from([Type.INTEGER, Type.FLOAT, Type.STRING]),
    dtype=st.just("object"),
    nullable=st.booleans(),
    categories=st.none() | st.just(("x", "y")),
    closed=st.booleans(),
)
frames = st.lists(columns, min_size=1, unique_by=lambda column: column.name).map(
    lambda found: Contract(Form.FRAME, columns=tuple(found))
)


@given(frames)
def test_every_contract_is_compatible_with_itself(contract):
    assert incompatibilities(contract, contract) == []


@given(frames, frames, frames)
def test_a_caller_of_the_first_is_served_by_the_third_if_each_step_is_compatible(a, b, c):
    names = [{column.name for column in contract.columns} for contract in (a, b, c)]
    if incompatibilities(a, b) or incompatibilities(b, c) or not names[0] <= names[1]:
        return
    assert incompatibilities(a, c) == []
