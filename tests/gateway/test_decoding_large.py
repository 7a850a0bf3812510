"""What long bodies take while they are read, whatever stands in them, and what is said of them."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.client.memory import Memory
from jupyter_deploy.core.contract import Column, Contract, Form, Tensor, Type
from jupyter_deploy.errors import BadInput, ShortOfMemory, TooManyValues
from jupyter_deploy.gateway import memory
from jupyter_deploy.gateway.decode import InputDecoder, envelope, faults, pieces, stack, table
from jupyter_deploy.gateway.decode.rows import Columns
from tests.gateway.bodies import FLOAT, INTEGER, STRING, in_pieces, one, outcome, travelling

SIZE, PIECE = 400_000, 20_000
NUMBER = one(FLOAT, "float64")
TEXT = one(STRING, "str")
WHOLE_NUMBER = one(INTEGER, "int64")
VALUES = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", ()))
VECTORS = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (-1,)))
TEXTS = Contract(Form.ARRAY, tensor=Tensor(STRING, "str", ()))
SPARSE = Contract(
    Form.FRAME, tuple(Column(f"c{n}", FLOAT, "float64", nullable=True) for n in range(100))
)


def many(item: bytes, *, between: bytes = b",", begin: bytes = b"[", end: bytes = b"]") -> bytes:
    return begin + between.join([item] * (SIZE // (len(item) + len(between)))) + end


def inputs(data: bytes) -> bytes:
    return b'{"inputs":' + data + b"}"


def lines(item: bytes, *, header: bytes = b"x") -> bytes:
    return many(item, between=b"\n", begin=header + b"\n", end=b"\n")


@pytest.mark.parametrize(
    ("contract", "body"),
    [
        (NUMBER, inputs(many(b"[0]"))),
        (NUMBER, inputs(many(b"0"))),
        (NUMBER, inputs(many(b'{"x":0}'))),
        (NUMBER, inputs(b'{"x":' + many(b"0") + b"}")),
        (NUMBER, inputs(many(b"[]"))),
        (NUMBER, inputs(many(b"{}"))),
        (NUMBER, inputs(many(b"[0]", end=b',["x"]]'))),
        (NUMBER, inputs(many(b'{"x":0}', end=b',{"x":"x"}]'))),
        (NUMBER, inputs(b'{"x":' + many(b"0", end=b',"x"]') + b"}")),
        (WHOLE_NUMBER, inputs(many(b"[1.0]"))),
        (TEXT, inputs(many(b'["x"]'))),
        (VALUES, inputs(many(b"0"))),
        (VALUES, inputs(many(b"0", end=b",true]"))),
        (VECTORS, inputs(many(b"[0]"))),
        (TEXTS, inputs(many(b'"x"'))),
        (SPARSE, inputs(many(b"{}"))),
        (SPARSE, inputs(many(b'{"c1":0}'))),
        (SPARSE, inputs(b'{"c1":' + many(b"0") + b"}")),
        (SPARSE, b'{"dataframe_split":{"columns":["c1"],"data":' + many(b"[0]") + b"}}"),
        (NUMBER, lines(b"0")),
        (NUMBER, lines(b"0") + b"no number\n"),
        (NUMBER, lines(b"0,0")),
        (WHOLE_NUMBER, lines(b"1")),
        (TEXT, lines(b"x")),
        (VALUES, lines(b"0")),
        (SPARSE, lines(b"0", header=b"c1")),
    ],
    ids=itertools.count(),
)
def test_a_long_body_takes_a_few_times_its_size_whatever_stands_in_it(
    contract: Contract, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder, read = InputDecoder(contract), outcome
    is_csv = not body.startswith(b"{")
    monkeypatch.setattr(pieces, "PIECE_BYTES", PIECE)
    monkeypatch.setattr(table, "_SOME", PIECE // 20)
    tracemalloc.start()
    try:
        read(lambda: (decoder.csv if is_csv else decoder.json)(body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One piece is read as Python values, whatever it takes.
    assert peak < 6 * len(body) + 90 * PIECE


FRAME = Contract(
    Form.FRAME,
    (
        Column("f", FLOAT, "float32", nullable=True),
        Column("i", INTEGER, "int32", nullable=True),
        Column("n", INTEGER, "int64"),
        Column("s", STRING, "str", nullable=True),
        Column("t", Type.DATETIME, "datetime64[ns]", nullable=True),
        Column("b", Type.BOOLEAN, "bool"),
        Column("o", Type.OBJECT, "object", nullable=True),
    ),
)
MEMBERS = {
    "f": st.sampled_from([None, 0, 1.5, 1e300, "x"]),
    "i": st.sampled_from([None, 0, 7.0, 2**40]),
    "s": st.sampled_from([None, "", "x", '],["', '{"s":']),
    "t": st.sampled_from([None, "2024-01-01", "soon"]),
    "o": st.sampled_from([None, 1, [1], {"a": 1}]),
    "z": st.sampled_from([None, 1]),
}
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"n": st.sampled_from([1, 2.0, 2.5]), "b": st.booleans()},
        optional=MEMBERS,
    ),
    min_size=1,
    max_size=6,
)


@given(RECORDS, st.sampled_from(["records", "rows", "split", "lists"]))
def test_a_frame_is_read_in_pieces_as_it_is_read_whole(
    records: list[dict[str, Any]], form: str
) -> None:
    names = list(dict.fromkeys(name for record in records for name in record))
    if form in ("rows", "lists"):
        names = [column.name for column in FRAME.columns]
    data = [[record.get(name) for name in names] for record in records]
    body: dict[str, Any] = {
        "records": {"dataframe_records": records},
        "rows": {"inputs": data},
        "split": {"dataframe_split": {"columns": names, "data": data}},
        "lists": {"inputs": dict(zip(names, map(list, zip(*data, strict=True)), strict=True))},
    }[form]
    text = json.dumps(body, separators=(",", ":")).encode()

    def read() -> object:
        return travelling(FRAME, InputDecoder(FRAME).json(text).rows)

    short = outcome(read)
    with in_pieces():
        assert outcome(read) == short


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["", "0", "1.5", "1e300", "x"]),
        st.sampled_from(["", "0", "7.0"]),
        st.sampled_from(["1", "2.5", "+1", ""]),
        st.sampled_from(["", "x", '"a,\nb"', '""']),
        st.sampled_from(["", "2024-01-01", "soon"]),
        st.sampled_from(["true", "0", "maybe"]),
        st.sampled_from(["", "x", "x,too many"]),
    ),
    min_size=1,
    max_size=2,
)


@given(FIELDS, st.sets(st.sampled_from("fisto")), st.sampled_from(["\n", "\r\n"]))
def test_csv_is_read_some_rows_at_a_time_as_it_is_read_at_once(
    rows: list[tuple[str, ...]], absent: set[str], end: str
) -> None:
    names = [column.name for column in FRAME.columns]
    kept = [place for place, name in enumerate(names) if name not in absent]
    text = [",".join(row[place] for place in kept) for row in [tuple(names), *rows]]
    body = end.join(text).encode()

    def read() -> object:
        return travelling(FRAME, InputDecoder(FRAME).csv(body).rows)

    short = outcome(read)
    with in_pieces(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_SOME", 1)
        assert in_order(outcome(read)) == in_order(short)


def in_order(found: Any) -> Any:
    """What is wrong, by row; a long body is looked at row by row, a short one column by column."""
    return found if isinstance(found, bytes) else sorted(map(str, found))


def test_a_bad_value_is_named_by_its_row_in_the_whole_body() -> None:
    with in_pieces(), pytest.raises(BadInput) as caught:
        InputDecoder(NUMBER).json(b'{"inputs":[[0],[1],["x"],[3],[null]]}')
    assert [entry["pointer"] for entry in caught.value.errors] == ["/inputs/2/0", "/inputs/4/0"]
    assert "2 values do not fit" in caught.value.detail


def test_nobody_looks_further_where_enough_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "ENOUGH", 3)
    monkeypatch.setattr(table, "_SOME", 1)
    with in_pieces():
        for read, body in (
            (InputDecoder(NUMBER).json, inputs(b"[" + b",".join([b'["x"]'] * 9) + b"]")),
            (InputDecoder(NUMBER).csv, b"x\n" + b"no\n" * 9),
        ):
            with pytest.raises(BadInput, match="At least 3 values do not fit"):
                read(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"foo":' + many(b"0") + b"}", "a key that is not known: 'foo'"),
        (many(b"{}"), "must be a JSON object"),
        (b'{"foo":' + many(b"0") + b"]", "not valid JSON"),
        (b'{"inputs":[[0]],"instances":' + many(b"{}") + b"}", "exactly one of"),
    ],
    ids=itertools.count(),
)
def test_a_long_body_without_an_envelope_is_refused_without_a_value_of_it(
    body: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "_MOST_EXPLAINED", SIZE // 2)
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=said):
            InputDecoder(NUMBER).json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(body)


@pytest.mark.parametrize("together", [False, True])
def test_rows_that_leave_out_too_many_values_are_refused(
    monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    records = [{f"c{n}": 0} for n in range(100)]
    body = json.dumps({"inputs": records}).encode()
    monkeypatch.setattr(pieces, "LONG_BYTES", 0)
    monkeypatch.setattr(pieces, "PIECE_BYTES", len(body) if together else 0)
    assert len(InputDecoder(SPARSE).json(body).rows) == 100
    monkeypatch.setattr(stack, "MOST_FILLED", 0)
    with pytest.raises(TooManyValues, match=f"more than {len(body) - 12} values"):
        InputDecoder(SPARSE).json(body)


def test_a_column_that_nobody_sends_takes_nothing_unless_it_goes_to_the_model_whole() -> None:
    body = inputs(many(b"{}"))
    found = InputDecoder(SPARSE).json(body).rows
    assert isinstance(found, Columns)
    assert len(found) > 100_000
    assert {column.strides for column in found.columns} == {(0,)}
    with pytest.raises(TooManyValues):
        InputDecoder(SPARSE, whole=True).json(body)


@pytest.mark.parametrize("contract", [Contract(Form.ANY), NUMBER])
def test_what_can_only_be_read_as_python_values_needs_the_room(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = inputs(b'["' + b"x" * 1_100_000 + b'"]')  # there is nowhere to cut it
    outcome(lambda: InputDecoder(contract).json(body))
    monkeypatch.setattr(memory, "memory", lambda: Memory(10**9, 10**7))
    with pytest.raises(ShortOfMemory):
        InputDecoder(contract).json(body)
