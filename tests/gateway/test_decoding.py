"""What a body may be: the values of a frame, in every form that callers use."""

from __future__ import annotations

import contextlib
import gc
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.contract import Column, Contract, Form
from jupyter_deploy.gateway.decode import InputDecoder, careful
from jupyter_deploy.gateway.decode.faults import MOST_LISTED, pointer
from tests.gateway.bodies import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    NAMES,
    NOON,
    PEOPLE,
    READ,
    ROW,
    STRING,
    TIME,
    as_bytes,
    in_pieces,
    one,
    outcome,
    refusal,
    rows,
)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "data": [ROW]}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [ROW[::-1]], "index": [7]}},
        {"dataframe_split": {"columns": [*NAMES, "id"], "data": [[*ROW, {"deep": [1]}]]}},
        {"dataframe_split": {"data": [ROW]}},
        {"dataframe_split": {"index": [7], "data": [ROW]}},
        {"dataframe_records": [dict(zip(NAMES, ROW, strict=True))]},
        {"dataframe_records": [dict(zip(NAMES, ROW, strict=True)) | {"id": 'a":b'}]},
        {"instances": [dict(zip(NAMES, ROW, strict=True))]},
        {"instances": [ROW]},
        {"inputs": [ROW], "params": {}},
        {"inputs": {name: [value] for name, value in zip(NAMES, ROW, strict=True)}},
        {"inputs": [dict(zip(NAMES, ROW, strict=True))]},
    ],
)
def test_all_forms_of_a_body_give_the_same_rows(body):
    assert rows(PEOPLE, body) == [READ]
    assert rows(PEOPLE, json.dumps(body, indent=4).encode()) == [READ]


def test_a_nullable_column_may_be_left_out_in_every_form():
    names, row = ["age", "plan", "active"], [41, "pro", True]
    wanted = [(41, None, "pro", None, True)]
    record = dict(zip(names, row, strict=True))
    assert rows(PEOPLE, {"dataframe_split": {"columns": names, "data": [row]}}) == wanted
    assert rows(PEOPLE, {"dataframe_records": [record]}) == wanted
    assert rows(PEOPLE, {"inputs": {name: [value] for name, value in record.items()}}) == wanted
    assert rows(PEOPLE, {"instances": [record, record]}) == wanted * 2


def test_records_may_leave_out_different_columns():
    full, short = dict(zip(NAMES, ROW, strict=True)), {"age": 1, "plan": "pro", "active": False}
    assert rows(PEOPLE, {"dataframe_records": [full, short]}) == [
        READ,
        (1, None, "pro", None, False),
    ]


@pytest.mark.parametrize(
    ("type_", "dtype", "written", "read"),
    [
        (INTEGER, "int64", "1", 1),
        (INTEGER, "int64", "1.0", 1),
        (INTEGER, "int64", "1e3", 1000),
        (INTEGER, "int64", "9223372036854775807", 2**63 - 1),
        (INTEGER, "int64", "-9223372036854775808", -(2**63)),
        (INTEGER, "uint64", "18446744073709551615", 2**64 - 1),
        (INTEGER, "int8", "-128", -128),
        (INTEGER, "Int32", "2147483647", 2**31 - 1),
        (FLOAT, "float64", "1", 1.0),
        (FLOAT, "float64", "-0.0", 0.0),
        (FLOAT, "float64", "1.7976931348623157e308", 1.7976931348623157e308),
        (FLOAT, "float64", "9007199254740993", 9007199254740992.0),
        (FLOAT, "float32", "3.4e38", 3.4e38),
        (FLOAT, "float64", "5e-324", 5e-324),
        (BOOLEAN, "bool", "true", True),
        (STRING, "str", '"a\\u00e9\\ud83d\\ude00\\u0000"', "aé😀\0"),
        (TIME, "datetime64[ns]", '"2024-01-01 12:00"', NOON),
        (TIME, "datetime64[ns]", '"2024-01-01T13:00:00+01:00"', NOON),
        (TIME, "datetime64[ns]", '"2024-01-01T12:00:00.123456789Z"', NOON + 123456789),
        (TIME, "datetime64[ns]", '"2024-01-01"', NOON - 43_200_000_000_000),
        (TIME, "datetime64[ns]", '"1969-12-31T23:59:59.5"', -500_000_000),
    ],
)
def test_a_value_that_fits_is_taken_as_it_is(type_, dtype, written, read):
    body = b'{"inputs":[[%b]]}' % written.encode()
    ((value,),) = rows(one(type_, dtype), body)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("type_", "dtype", "written", "got"),
    [
        (INTEGER, "int64", "1.5", "number with a fraction"),
        (INTEGER, "int64", "true", "boolean"),
        (INTEGER, "int64", '"1"', "string"),
        (INTEGER, "int64", "null", "null"),
        (INTEGER, "int64", "[1]", "array"),
        (INTEGER, "int64", '{"a":1}', "object"),
        (INTEGER, "int64", "9223372036854775808", "number out of range"),
        (INTEGER, "int64", "1e400", "number out of range"),
        (INTEGER, "int64", "9.3e18", "number out of range"),
        (INTEGER, "uint8", "256", "number out of range"),
        (INTEGER, "uint8", "-1", "number out of range"),
        (INTEGER, "uint64", "18446744073709551616", "number out of range"),
        (INTEGER, "int8", "128", "number out of range"),
        (FLOAT, "float64", "1e400", "number out of range"),
        (FLOAT, "float64", "-1e400", "number out of range"),
        (FLOAT, "float64", "1" * 400, "number out of range"),
        (FLOAT, "float32", "1e39", "number out of range"),
        (FLOAT, "float16", "70000", "number out of range"),
        (FLOAT, "float64", '"1.5"', "string"),
        (FLOAT, "float64", "false", "boolean"),
        (FLOAT, "float64", "null", "null"),
        (BOOLEAN, "bool", "1", "number"),
        (BOOLEAN, "bool", '"true"', "string"),
        (STRING, "str", "1", "number"),
        (STRING, "str", "null", "null"),
        (TIME, "datetime64[ns]", "1704110400", "number"),
        (TIME, "datetime64[ns]", '"yesterday"', "string that is no date and time"),
        (TIME, "datetime64[ns]", '"NaT"', "string that is no date and time"),
        (TIME, "datetime64[ns]", '"2024-02-30"', "string that is no date and time"),
        (TIME, "datetime64[ns]", '"2024-01-01T25:00"', "string that is no date and time"),
        (TIME, "datetime64[ns]", '"1500-01-01"', "time out of range"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_kind(type_, dtype, written, got):
    error = refusal(one(type_, dtype), b'{"inputs":[[%b]]}' % written.encode())
    (entry,) = error.errors
    assert entry["got"] == got
    assert entry["pointer"] == "/inputs/0/0"
    assert (entry["row"], entry["column"]) == (0, "x")


def test_null_is_taken_only_where_the_contract_allows_it():
    assert rows(one(FLOAT, "float64", nullable=True), {"inputs": [[None]]}) == [(None,)]
    assert refusal(one(FLOAT, "float64"), {"inputs": [[None]]}).errors[0]["expected"] == "number"


def test_nan_as_python_writes_it_is_a_missing_value():
    # MLflow's client and json.dumps write NaN, which is no JSON.
    body = b'{"inputs":[[NaN],[1]],"params":{"note":"NaN"}}'
    decoded = InputDecoder(one(FLOAT, "float64", nullable=True)).json(body)
    assert decoded.rows == [(None,), (1.0,)]
    assert decoded.params == {"note": "NaN"}
    assert refusal(one(FLOAT, "float64"), b'{"inputs":[[NaN]]}').errors[0]["got"] == "null"


@pytest.mark.parametrize("word", [b"Infinity", b"-Infinity", b"-NaN", b"nan", b"inf"])
def test_other_words_for_numbers_are_not_json(word):
    assert (
        "not valid JSON"
        in refusal(one(FLOAT, "float64", nullable=True), b'{"inputs":[[%b]]}' % word).detail
    )


def test_every_bad_value_is_named_with_pointer_column_row_expected_and_got():
    data = [ROW, ["41", None, "gold", "x", 1]]
    error = refusal(PEOPLE, {"dataframe_split": {"columns": NAMES, "data": data}})
    assert error.detail == "4 values do not fit the contract."
    assert [(entry["pointer"], entry["column"], entry["row"]) for entry in error.errors] == [
        ("/dataframe_split/data/1/0", "age", 1),
        ("/dataframe_split/data/1/2", "plan", 1),
        ("/dataframe_split/data/1/3", "since", 1),
        ("/dataframe_split/data/1/4", "active", 1),
    ]
    assert error.errors[1]["expected"] == "one of basic, pro"
    assert error.errors[0]["message"] == "row 1, column 'age': expected integer, got string"


def test_a_pointer_is_escaped_as_rfc_6901_says():
    record = dict(zip(NAMES, ROW, strict=True)) | {"pay/month": "x"}
    error = refusal(PEOPLE, {"dataframe_records": [record]})
    assert error.errors[0]["pointer"] == "/dataframe_records/0/pay~1month"
    assert pointer("a~b", 0) == "/a~0b/0"


def test_a_pointer_leads_to_the_value_that_was_sent():
    body = {"inputs": {name: [value] for name, value in zip(NAMES, ROW, strict=True)}}
    body["inputs"]["plan"] = ["SECRET-VALUE"]
    error = refusal(PEOPLE, body)
    assert error.errors[0]["pointer"] == "/inputs/plan/0"
    assert "SECRET-VALUE" not in json.dumps(error.problem("id"))


def test_no_more_than_twenty_faults_are_listed_and_all_are_counted():
    error = refusal(one(INTEGER, "int64"), {"inputs": [["x"]] * 1000})
    assert len(error.errors) == MOST_LISTED
    assert error.detail == "1000 values do not fit the contract. The first 20 are listed."


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{}", "exactly one of"),
        (b'{"inputs":[[1]],"instances":[[1]]}', "exactly one of"),
        (b'{"inputs":[[1]],"extra":1}', "'extra'"),
        (b'{"inputs":[[1]],"params":[]}', "`params` must be an object"),
        (b'{"inputs":[[1]],"inputs":[[2]]}', "twice"),
        (b'{"inputs":[[1]],"\\u0069nputs":[[2]]}', "twice"),
        (b'{"inputs":[[1]],"params":{"a":1,"a":2}}', "twice"),
        (b'{"inputs":[[1]],"params":{},"params":{"a":2}}', "twice"),
        (b'{"dataframe_split":{"data":0,"columns":["x"],"data":[[1]]}}', "twice"),
        (b'{ "dataframe_split" : { "data" : 0 , "columns":["x"],"data":[[1]]}}', "twice"),
        (b'{"dataframe_split":{"columns":["x"],"data":[[1]],"name":1}}', "`dataframe_split` must"),
        (b'{"dataframe_split":{"columns":["x"]}}', "`dataframe_split` must"),
        (b'{"dataframe_split":{"data":0,"data":[[1]]}}', "twice"),
        (b'{"dataframe_split":[[1]]}', "`dataframe_split` must"),
        (b'{"dataframe_records":[{"x":1,"x":2}]}', "twice"),
        (b'{"dataframe_records":[{"x":1},{"x":1 , "x" : 2}]}', "twice"),
        (b'{"inputs":{"x":[1],"x":[2]}}', "twice"),
        (b'\xef\xbb\xbf{"inputs":[[1]]}', "not valid JSON"),
        (b'{"inputs":[[1]],"params":{"a":"\xff"}}', "UTF-8"),
        (b'{"inputs":[[1]]} {}', "not valid JSON"),
        (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"inputs":[["\\ud800"]]}', "not valid JSON"),
        (b"[1,2", "not valid JSON"),
        (b"[\x001\x00]\x00", "not valid JSON"),
        (b'{"inputs":[[1]],"extra":x}', "not valid JSON"),
        (b'{"dataframe_split":{"data":[[1]],"name":1}', "not valid JSON"),
        (b'{"inputs":[[%b]]}' % (b"9" * 5000), "out of range"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_in_one_sentence(body, says):
    assert says in refusal(one(INTEGER, "int64"), body).detail


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"inputs": []}, "at least one row"),
        ({"inputs": 1}, "array of rows"),
        ({"inputs": ROW}, "array of 5 values"),
        ({"inputs": [ROW[:4]]}, "array of 5 values"),
        ({"inputs": {"age": 1, "plan": "pro", "active": True}}, "array"),
        ({"inputs": {"age": [1], "plan": ["pro"] * 2, "active": [True]}}, "columns of one length"),
        ({"dataframe_records": {"age": 1}}, "array of objects"),
        ({"dataframe_records": [1]}, "object"),
        ({"dataframe_split": {"data": [ROW[:4]]}}, "array of 5 values"),
        ({"dataframe_split": {"data": []}}, "at least one row"),
        ({"dataframe_split": {"columns": [], "data": [ROW]}}, "integer"),
        ({"dataframe_split": {"columns": "age", "data": [[1]]}}, "array of names"),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 1]]}}, "different names"),
        ({"dataframe_split": {"columns": ["age"], "data": [[1]]}}, "one of basic, pro"),
    ],
)  # fmt: skip
def test_a_body_of_another_shape_says_what_is_expected(body, expected):
    assert refusal(PEOPLE, body).errors[0]["expected"] == expected


def test_a_strict_contract_refuses_unknown_columns_and_others_read_over_them():
    strict = Contract(Form.FRAME, (Column("x", INTEGER, "int64"),), strict=True)
    body = {"dataframe_records": [{"x": 1, "y": 2}]}
    assert refusal(strict, body).errors[0]["column"] == "y"
    assert rows(one(INTEGER, "int64"), body) == [(1,)]


def test_a_single_column_may_come_as_bare_values():
    assert rows(one(STRING, "str"), {"inputs": ["a", "b"]}) == [("a",), ("b",)]


def test_columns_that_are_numbered_may_be_sent_as_numbers():
    numbered = Contract(Form.FRAME, (Column("0", INTEGER, "int64", integer_name=True),))
    assert rows(numbered, {"dataframe_split": {"columns": [0], "data": [[5]]}}) == [(5,)]


def test_a_column_whose_name_is_empty_is_named_all_the_same():
    empty = Contract(Form.FRAME, (Column("", INTEGER, "int64"),))
    (error,) = refusal(empty, {"dataframe_records": [{"": "q"}]}).errors
    assert (error["pointer"], error["column"]) == ("/dataframe_records/0/", "")
    assert error["message"] == "row 0, column '': expected integer, got string"


# --- the fast pass and the careful pass -----------------------------------------------------------

_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["basic", "pro", "2024-01-01", "x", '":', ""]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
_records = st.lists(
    st.dictionaries(st.sampled_from([*NAMES, "other"]), _values, max_size=6), min_size=1, max_size=3
)


@given(records=_records)
def test_the_fast_pass_never_differs_from_the_careful_one(records):
    decoder = InputDecoder(PEOPLE)
    fast = outcome(lambda: decoder.json(as_bytes({"dataframe_records": records})).rows)
    slow = outcome(lambda: careful.read_records(PEOPLE, records, ("dataframe_records",)))
    assert fast == slow


@given(data=st.lists(st.lists(_values, min_size=4, max_size=6), min_size=1, max_size=3))
def test_the_fast_pass_never_differs_for_rows(data):
    decoder = InputDecoder(PEOPLE)
    body = {"dataframe_split": {"columns": NAMES, "data": data}}
    fast = outcome(lambda: decoder.json(as_bytes(body)).rows)
    assert fast == outcome(lambda: careful.read_split(PEOPLE, NAMES, data))


@pytest.mark.parametrize("long", [False, True])
def test_columns_that_callers_make_up_are_not_kept(long):
    decoder = InputDecoder(one(FLOAT, "float64"))
    tracemalloc.start()
    try:
        with in_pieces() if long else contextlib.nullcontext():
            for call in range(3):
                names = ["x", *(f"{call}-{number}" for number in range(2000))]
                row = [1.5] * len(names)
                for body in (
                    {"instances": [dict(zip(names, row, strict=True))]},
                    {"inputs": {name: [1.5] for name in names}},
                    {"dataframe_split": {"columns": names, "data": [row]}},
                ):
                    rows = decoder.json(json.dumps(body).encode()).rows
                    assert (rows.tolist() if long else rows) == [(1.5,)]
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
