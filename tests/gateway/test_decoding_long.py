"""Long bodies are read a piece at a time, and nobody can tell."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.gateway.decode import InputDecoder, pieces
from jupyter_deploy.gateway.decode.envelope import long_lists
from tests.gateway.bodies import (
    FLOAT,
    INTEGER,
    STRING,
    in_pieces,
    outcome,
    refusal,
    rows,
    travelling,
)

TEXT = st.text(st.sampled_from('],[{}" \\ab:é'), max_size=8)
VALUES = st.integers(-9, 9) | TEXT
ROWS = st.one_of(
    VALUES,
    st.lists(VALUES, max_size=3),
    st.lists(st.lists(VALUES, max_size=2), max_size=3),
    st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=2), max_size=3),
)
SPACES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", ":")])


@given(st.lists(ROWS, max_size=6), SPACES, st.booleans())
def test_whatever_stands_in_an_array_it_reads_as_the_whole_does(
    values: list[object], separators: tuple[str, str], ascii_only: bool
) -> None:
    data = json.dumps(values, separators=separators, ensure_ascii=ascii_only).encode()
    with in_pieces():
        assert pieces.read(msgspec.json.Decoder(list[object]).decode, Raw(data)) == values


@pytest.mark.parametrize(
    "values",
    [
        [[n, n / 7] for n in range(50)],
        [{"a": n, "b": [n]} for n in range(50)],
        [[[n, 1], [2, 3]] for n in range(50)],
        [f"{n}, {n}" for n in range(50)],
        list(range(50)),
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_rows_of_the_usual_kinds_are_cut_one_from_another(
    values: list[object], separators: tuple[str, str]
) -> None:
    data = json.dumps(values, separators=separators).encode()
    with in_pieces():
        cut = [json.loads(piece) for piece in pieces.Pieces(data, 0)]
    assert len(cut) > 10
    assert [row for piece in cut for row in piece] == values


def test_a_bad_array_is_bad_wherever_it_is_cut() -> None:
    decode = msgspec.json.Decoder(list[list[int]]).decode
    for data in (
        b"[[1],[2],[3]",
        b"[[1],[2],3]",
        b"[[1],[2],]",
        b'[[1],["],["],[3]]',
        b"[[1],[2]]]",
    ):
        with in_pieces(), pytest.raises(msgspec.DecodeError):
            pieces.read(decode, Raw(data))


@pytest.mark.parametrize("data", [b"[1,2,]", b"[1, 2, ]", b"[1,2,\n]", b"[1,,2]", b"[,1,2]"])
def test_an_array_with_a_comma_too_many_is_none(data: bytes) -> None:
    with in_pieces(), pytest.raises(msgspec.DecodeError):
        pieces.read(msgspec.json.Decoder(list[int]).decode, Raw(data))


FRAME = Contract(
    Form.FRAME, (Column("a", FLOAT, "float64", nullable=True), Column("b", STRING, "str"))
)
GRID = Contract(Form.ARRAY, tensor=Tensor(INTEGER, "int64", (2, 2)))
MANY = [[n / 3, "],["] for n in range(40)]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": MANY}},
        {"dataframe_split": {"data": MANY}},
        {"dataframe_split": {"columns": ["a", "b"], "data": MANY, "index": list(range(40))}},
        {"dataframe_split": {"columns": ["a", "b", "c]"], "data": [[*row, 0] for row in MANY]}},
        {"dataframe_records": [{"a": a, "b": b} for a, b in MANY]},
        {"dataframe_records": [{"a": a, "b": b, "c": "c"} for a, b in MANY]},
        {"instances": MANY, "params": {"x": [1]}},
        {"inputs": {"a": [a for a, _ in MANY], "b": [b for _, b in MANY]}},
    ],
)
def test_every_form_of_a_long_body_gives_its_rows(body: dict[str, object]) -> None:
    assert rows(FRAME, body) == [tuple(row) for row in MANY]
    assert rows(FRAME, json.dumps(body, separators=(",", ":")).encode()) == list(map(tuple, MANY))


@pytest.mark.parametrize("separators", [(",", ":"), (" ,\n", " : ")])
def test_lists_of_columns_are_cut_one_from_another_wherever_they_seem_to_end(
    separators: tuple[str, str],
) -> None:
    columns = {"a": [1, None], "b": ['],"a":[', "]"], "c]": [], "": [[1], {"x": [2]}]}
    body = json.dumps({"inputs": columns}, separators=separators).encode()
    found = long_lists(body)
    assert found is not None
    form, lists = found
    assert form == "inputs"
    assert {name: json.loads(bytes(one)) for name, one in lists.items()} == columns


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs":{"a":[1],"b":["x"],"a":[2]}}',
        b'{"inputs":{"a":[1],"b":["x"]},"inputs":{"a":[1],"b":["x"]}}',
        b'{"inputs":{"a":[1,2],"b":["x"]}}',
        b'{"inputs":{"a":[1],"b":["x"],"c":[{"k":1,"k":2}]}}',
        b'{"inputs":{"a":[1],"b":["x"],"c\n":[1]}}',
        b'{"inputs":{"a":[1] 2,"b":["x"]}}',
        b'{"inputs":{"a":[],"b":[]}}',
        b'{"inputs":{"b":["x"]} ,"params":[]}',
        b'{"inputs":{}}',
    ],
)
def test_a_bad_object_of_lists_is_refused_for_the_same_as_a_short_one(body: bytes) -> None:
    refusal(FRAME, body)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d]"]), st.lists(VALUES, max_size=3)),
    SPACES,
    st.booleans(),
)
def test_whatever_the_lists_hold_they_read_as_the_whole_does(
    columns: dict[str, list[object]], separators: tuple[str, str], ascii_only: bool
) -> None:
    body = json.dumps({"inputs": columns}, separators=separators, ensure_ascii=ascii_only).encode()

    def read() -> object:
        return travelling(FRAME, InputDecoder(FRAME).json(body).rows)

    short = outcome(read)
    with in_pieces():
        assert outcome(read) == short


def test_long_tensors_too() -> None:
    values = [[[n, 1], [2, 3]] for n in range(40)]
    assert rows(GRID, {"instances": values}) == values


SHAPES = st.sampled_from([(2,), (1,), (-1,), (), (2, 1)])
NUMBER = st.sampled_from([0, 1, 2.5, 2**53 + 1, 2**63, 1e300, None, True, "x"])
MEMBERS = st.dictionaries(st.sampled_from(["a", "é", 'b"', "c"]), NUMBER, max_size=2)


@given(
    st.sampled_from([(FLOAT, "float64"), (FLOAT, "float32"), (INTEGER, "int64"), (STRING, "str")]),
    SHAPES,
    st.booleans(),
    st.lists(st.fixed_dictionaries({"b": NUMBER, "a": NUMBER}) | MEMBERS, max_size=5),
    st.sampled_from(["dataframe_records", "inputs", "dataframe_split"]),
)
def test_objects_for_a_model_of_arrays_are_read_as_short_ones_are(
    kind: tuple[Type, str],
    shape: tuple[int, ...],
    nullable: bool,
    records: list[dict[str, object]],
    form: str,
) -> None:
    contract = Contract(Form.ARRAY, tensor=Tensor(*kind, shape, nullable=nullable))
    names = list(records[0]) if records else []
    split = {"columns": names, "data": [list(one.values()) for one in records]}
    body = json.dumps({form: split if form == "dataframe_split" else records}).encode()

    def read() -> object:
        return travelling(contract, InputDecoder(contract).json(body).rows)

    short = outcome(read)
    with in_pieces():
        assert outcome(read) == short


@pytest.mark.parametrize("last", [b'{"a": 1, "b": 2, "a": 3}', b'{"a" : 1, "a": 1, "b": 2}'])
def test_a_key_that_stands_twice_is_found_in_objects_for_arrays(last: bytes) -> None:
    pair = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (2,)))
    body = b'{"dataframe_records": [{"a": 1, "b": 2}, ' + last + b"]}"
    assert "twice" in refusal(pair, body).detail
