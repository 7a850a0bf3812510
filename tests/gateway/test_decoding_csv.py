"""Bodies that are CSV."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.contract import Column, Contract, Form
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import InputDecoder
from tests.gateway.bodies import (
    FLOAT,
    INTEGER,
    NAMES,
    NOON,
    PEOPLE,
    STRING,
    one,
    outcome,
)


def test_csv_is_read_by_the_types_of_the_contract():
    text = (
        'plan,age,active,"pay/month",since,note\r\npro,41,true,,2024-01-01T12:00:00Z,"a, ""b"""\r\n'
    )
    decoded = InputDecoder(PEOPLE).csv(text.encode())
    assert decoded.rows == [(41, None, "pro", NOON, True)]


@given(text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20))
def test_any_text_survives_csv(text):
    out = io.StringIO()
    csv.writer(out).writerows([["x"], [text]])
    assert InputDecoder(one(STRING, "str")).csv(out.getvalue().encode()).rows == [(text,)]


def test_a_text_of_csv_may_be_as_long_as_the_body():
    text = "a" * 300_000
    found = InputDecoder(one(STRING, "str")).csv(f"x\n{text}\n".encode())
    assert (found.count, found.rows.tolist()) == (1, [(text,)])


@pytest.mark.parametrize(
    ("line", "column", "got"),
    [
        ("1.5,,pro,,true", "age", "number with a fraction"),
        ("x,,pro,,true", "age", "string"),
        (",,pro,,true", "age", "an empty field"),
        ("1_0,,pro,,true", "age", "string"),
        ("1,nan,pro,,true", "pay/month", "string"),
        ("1,inf,pro,,true", "pay/month", "string"),
        ("1,1e999,pro,,true", "pay/month", "number out of range"),
        ("1,,gold,,true", "plan", "another string"),
        ("1,,pro,,yes", "active", "string"),
        ("1,,pro,soon,true", "since", "string that is no date and time"),
    ],
)
def test_a_bad_field_of_csv_is_named_by_line_row_and_column(line, column, got):
    body = f"{','.join(NAMES)}\n1,,pro,,true\n{line}\n"
    with pytest.raises(BadInput) as caught:
        InputDecoder(PEOPLE).csv(body.encode())
    (entry,) = caught.value.errors
    assert (entry["line"], entry["row"], entry["column"], entry["got"]) == (3, 1, column, got)


@pytest.mark.parametrize("body", [b"", b"x\n", b"x,x\n1,1\n", b'x\n"1', b"x\n\xff\n", b"x\n1,2\n"])
def test_a_body_that_is_no_csv_is_refused(body):
    with pytest.raises(BadInput):
        InputDecoder(one(STRING, "str")).csv(body)


NUMBERS = st.sampled_from(["1", "-2", "+3.", ".5", "1e3", "1,2", "", "9" * 41, "1e999", "x", "1_0"])


@given(st.lists(NUMBERS, min_size=1, max_size=12), st.booleans(), st.sampled_from(["f8", "i8"]))
def test_many_numbers_are_read_as_each_of_them_is(fields, nullable, kind):
    column = Column("x", *((FLOAT, "float64") if kind == "f8" else (INTEGER, "int64")), nullable)
    decoder = InputDecoder(Contract(Form.FRAME, (column,)))

    def read(some):
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["x"], *([one] for one in some)])
        return outcome(lambda: decoder.csv(out.getvalue().encode()).rows)

    each = [read([field]) for field in fields]
    wrong = [row for row, one in enumerate(each) if isinstance(one, tuple)]
    found = read(fields)
    if wrong:
        assert [entry["row"] for entry in found] == wrong
    else:
        assert found == [row for one in each for row in one]
