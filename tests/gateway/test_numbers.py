"""Many numbers become arrays at once, and nobody can tell but by the memory."""

from __future__ import annotations

import json
import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor
from jupyter_deploy.gateway import v2
from jupyter_deploy.gateway.answers import AnswerEncoder, encode
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import Input, InputDecoder, texts
from jupyter_deploy.gateway.decode.rows import Columns
from jupyter_deploy.gateway.dispatch import Reply
from jupyter_deploy.gateway.dispatch.work import BatchAnswer
from jupyter_deploy.wire.messages import PredictAnswer
from tests.gateway.bodies import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    STRING,
    TIME,
    in_pieces,
    outcome,
    travelling,
)

DTYPES = {"FP16": "f2", "FP32": "f4", "FP64": "f8", "INT8": "i1", "UINT16": "u2", "INT32": "i4",
          "INT64": "i8", "UINT64": "u8", "BOOL": "?"}  # fmt: skip
CONTRACTS = [
    Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (2,))),
    Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float32", (2,), nullable=True)),
    Contract(Form.ARRAY, tensor=Tensor(INTEGER, "int16", (2,))),
    Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float32", (-1,))),
    Contract(Form.ARRAY, tensor=Tensor(STRING, "str", (2,))),
    Contract(Form.FRAME, tuple(Column(name, FLOAT, "float32", nullable=True) for name in "ab")),
    Contract(
        Form.FRAME, (Column("a", FLOAT, "float64"), Column("b", FLOAT, "float64", nullable=True))
    ),
    Contract(Form.FRAME, (Column("a", INTEGER, "int8"), Column("b", FLOAT, "float64"))),
    Contract(
        Form.FRAME, (Column("a", STRING, "str", nullable=True), Column("b", FLOAT, "float64"))
    ),
]
EDGES = [0, 1, -1, 0.5, 127, 128, 300, 40000, 65504, 70000, 2**24 + 1, 2**53 + 1, 2**63 - 1, 2**63]
VALUES = st.sampled_from([*EDGES, 3.5e38, 1e300, True, None, "x"])
USUAL = st.sampled_from([0, 1, 2.5, -7, 100])


def read(contract: Contract, body: bytes, headers: dict[bytes, bytes]) -> Any:
    """What of a V2 body a replica gets, or what is wrong with it."""
    service: Any = SimpleNamespace(route=SimpleNamespace(contract=contract))
    return outcome(lambda: travelling(contract, v2.read(service, body, headers)[0].rows))


def assert_same(contract: Contract, body: bytes, headers: dict[bytes, bytes]) -> None:
    short = read(contract, body, headers)
    with in_pieces():
        assert read(contract, body, headers) == short


def tensor(name: str, datatype: str, shape: list[int], **how: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **how}


@given(
    st.sampled_from(CONTRACTS),
    st.sampled_from([*DTYPES, "BYTES"]),
    st.lists(st.lists(USUAL, min_size=2, max_size=2) | st.lists(VALUES, max_size=3), max_size=6),
    st.booleans(),
    st.integers(0, 7),
)
def test_a_tensor_in_json_is_read_as_its_values_are(contract, datatype, rows, nested, shape):
    count = sum(map(len, rows))
    data = rows if nested else [value for row in rows for value in row]
    shapes = [[len(rows), 2]] * 4 + [[count], [count, 1], [0, 2], [10**30, 2]]
    body = {"inputs": [tensor("x", datatype, shapes[shape], data=data)]}
    assert_same(contract, json.dumps(body).encode(), {})


@given(
    st.sampled_from(CONTRACTS[5:]),
    st.lists(st.tuples(USUAL | VALUES, USUAL), max_size=4),
    st.sampled_from([["a", "b"], ["b", "a"], ["a"], ["a", "b", "c"], ["a", "c"]]),
)
def test_a_tensor_for_each_column_is_read_as_its_values_are(contract, rows, names):
    columns = dict(zip("abc", [*zip(*rows, strict=True), [0] * len(rows)], strict=False))
    inputs = [tensor(name, "FP64", [len(rows)], data=list(columns.get(name, ()))) for name in names]
    assert_same(contract, json.dumps({"inputs": inputs}).encode(), {})


@given(
    st.sampled_from(CONTRACTS),
    st.sampled_from(list(DTYPES)),
    st.lists(st.sampled_from([0, 1, 2.5, 127, 130, 40000, np.nan, np.inf, -np.inf]), max_size=6),
    st.booleans(),
)
def test_a_binary_tensor_is_read_as_its_values_are(contract, datatype, values, by_column):
    with np.errstate(all="ignore"):
        array = np.array(values, dtype="f8").astype(DTYPES[datatype])
    size = {"binary_data_size": array.nbytes // (2 if by_column else 1)}
    half = [len(values) // 2]
    inputs = (
        [tensor(name, datatype, half, parameters=size) for name in "ab"]
        if by_column
        else [tensor("x", datatype, [*half, 2], parameters=size)]
    )
    head = json.dumps({"inputs": inputs}).encode()
    headers = {b"inference-header-content-length": b"%d" % len(head)}
    assert_same(contract, head + array.tobytes(), headers)


KINDS = [
    Column("a", STRING, "str"),
    Column("a", STRING, "str", nullable=True),
    Column("a", STRING, "category", categories=("x", "é"), closed=True),
    Column("a", BOOLEAN, "bool", nullable=True),
    Column("a", TIME, "datetime64[ns]", nullable=True),
    Column("a", INTEGER, "int8"),
]
TEXTS = st.sampled_from(["x", "é", "x", '", "', "2024-01-01", ""])


@given(
    st.sampled_from(KINDS),
    st.sampled_from(["BYTES", "BOOL", "INT64"]),
    st.lists(TEXTS, max_size=6)
    | st.lists(st.booleans(), max_size=6)
    | st.lists(TEXTS | VALUES, max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_a_column_of_any_kind_is_read_as_its_values_are(column, datatype, values, nested, spaces):
    contract = Contract(Form.FRAME, (column, Column("b", FLOAT, "float64")))
    count, data = len(values), [[value] for value in values] if nested else values
    inputs = [
        tensor("a", datatype, [count, 1] if nested else [count], data=data),
        tensor("b", "FP64", [count], data=[0.5] * count),
    ]
    separators = (", ", ": ") if spaces else (",", ":")
    assert_same(contract, json.dumps({"inputs": inputs}, separators=separators).encode(), {})


@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from([b"x", "é".encode(), b"", b"2024-01-01", b"\xff"]), max_size=4),
    st.integers(0, 12),
    st.booleans(),
)
def test_binary_texts_are_read_as_their_values_are(column, values, cut, is_bool):
    data = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    data = bytes(len(values)) if is_bool else data[: len(data) - (cut if cut < 3 else 0)]
    kind, size = "BOOL" if is_bool else "BYTES", {"binary_data_size": len(data)}
    inputs = [tensor("a", kind, [len(values)], parameters=size)]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {b"inference-header-content-length": b"%d" % len(head)}
    assert_same(Contract(Form.FRAME, (column,)), head + data, headers)


def test_a_text_that_stands_often_is_kept_once_and_many_are_not_remembered() -> None:
    often = texts.Shared()(["x" * n for n in (1000, 1001, 1000)])
    assert often[0] is often[2]
    many = texts.Shared()
    many([str(n) for n in range(10_000)])
    assert many(["y" * 1000] * 2) == many(["y" * 1000] * 2) == ["y" * 1000] * 2
    first, second = many(["z" * n for n in (1000, 1000)])
    assert first == second
    assert first is not second


def test_many_numbers_share_a_frame_with_few() -> None:
    for contract in CONTRACTS[:3]:
        builder, few = ArrayBuilder(contract), [[1, 2], [3, 4]]
        many = Input(2, np.array([[5, 6], [7, 8]]))
        (array,) = builder.batch([Input(2, few), many])
        assert array.tolist() == [*few, [5, 6], [7, 8]]
        assert array.dtype == builder.arrays(few)[0].dtype


def test_many_rows_by_column_share_a_frame_with_few() -> None:
    contract = Contract(Form.FRAME, (KINDS[1], Column("b", FLOAT, "float64", nullable=True)))
    builder, few = ArrayBuilder(contract), [("x", 1.0), (None, None)]
    many = Input(2, Columns([["y", None], np.array([2.0, np.nan])]))
    names, found = builder.batch([Input(2, few), many])
    assert names.tolist() == ["x", None, "y", None]
    assert np.array_equal(found, [1, np.nan, 2, np.nan], equal_nan=True)


ROWS, WIDE = 20_000, 10
WIDTH = Contract(Form.ARRAY, tensor=Tensor(FLOAT, "float64", (WIDE,)))
FRAME = Contract(Form.FRAME, tuple(Column(f"c{n}", FLOAT, "float64") for n in range(WIDE)))
NUMBERS = np.random.default_rng(1).random((ROWS, WIDE))
LISTS = {f"c{n}": NUMBERS[:, n].tolist() for n in range(WIDE)}


@pytest.mark.parametrize("contract", [WIDTH, FRAME])
@pytest.mark.parametrize(
    "form",
    ["inputs", "dataframe_split", "dataframe_records", "a list for each column", "flat tensor",
     "nested tensor", "binary tensor"],
)  # fmt: skip
def test_a_long_body_takes_a_small_multiple_of_its_size(contract: Contract, form: str) -> None:
    body, headers = long_body(form)
    service: Any = SimpleNamespace(route=SimpleNamespace(contract=contract))
    decoder = InputDecoder(contract)
    tracemalloc.start()
    try:
        found = v2.read(service, body, headers)[0] if "tensor" in form else decoder.json(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Frames in JSON are read as rows of Python values.
    most = 6 if contract is FRAME and "tensor" not in form else 2
    assert peak < most * len(body)
    assert travelling(contract, found.rows) == travelling(contract, NUMBERS)


def long_body(form: str) -> tuple[bytes, dict[bytes, bytes]]:
    match form:
        case "inputs":
            return json.dumps({"inputs": NUMBERS.tolist()}).encode(), {}
        case "dataframe_split":
            split = {"columns": list(LISTS), "data": NUMBERS.tolist()}
            return json.dumps({"dataframe_split": split}).encode(), {}
        case "dataframe_records":
            records = [dict(zip(LISTS, row, strict=True)) for row in NUMBERS.tolist()]
            return json.dumps({"dataframe_records": records}).encode(), {}
        case "a list for each column":
            return json.dumps({"inputs": LISTS}).encode(), {}
    shape = [ROWS, WIDE]
    if form == "binary tensor":
        size = {"binary_data_size": NUMBERS.nbytes}
        head = json.dumps({"inputs": [tensor("x", "FP64", shape, parameters=size)]}).encode()
        headers = {b"inference-header-content-length": b"%d" % len(head)}
        return head + NUMBERS.tobytes(), headers
    data = NUMBERS.tolist() if form == "nested tensor" else NUMBERS.ravel().tolist()
    return json.dumps({"inputs": [tensor("x", "FP64", shape, data=data)]}).encode(), {}


@pytest.mark.parametrize("binary", [False, True])
def test_long_columns_of_texts_take_a_small_multiple_of_their_size(*, binary: bool) -> None:
    words = [f"word {n % 1000}" for n in range(ROWS)]
    contract = Contract(Form.FRAME, tuple(Column(name, STRING, "str") for name in "abcde"))
    data = b"".join(len(word).to_bytes(4, "little") + word.encode() for word in words)
    how: dict[str, Any] = {"parameters": {"binary_data_size": len(data)}} if binary else {}
    how = how or {"data": words}
    inputs = [tensor(name, "BYTES", [ROWS], **how) for name in "abcde"]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {b"inference-header-content-length": b"%d" % len(head)}
    body = head + data * 5 if binary else head
    service: Any = SimpleNamespace(route=SimpleNamespace(contract=contract))
    tracemalloc.start()
    try:
        found = v2.read(service, body, headers if binary else {})[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(body)
    assert travelling(contract, found.rows) == travelling(contract, [(word,) * 5 for word in words])


@pytest.mark.parametrize("count", [1, 16_384, 16_385, 40_000])
@pytest.mark.parametrize("columns", [False, True])
def test_a_long_answer_is_written_in_pieces_and_nobody_can_tell(
    count: int, *, columns: bool
) -> None:
    """All rows but the first and the last."""
    numbers = np.arange(count + 2) / 3
    numbers[::7] = np.nan
    texts = np.array(["],[", float("nan"), 2**70] * (count // 3 + 2), dtype=object)[: count + 2]
    pairs = np.stack([numbers, numbers], axis=1)
    times = np.arange(count + 2).astype("M8[ns]")
    names = ("predictions", "b", "c", "d")
    answer = PredictAnswer(names, [numbers, texts, pairs, times], 0.0, columns=columns)
    batch = BatchAnswer(answer)
    written = AnswerEncoder(Output()).body(Reply(batch, 1, count + 1, 0.0, 0.0))
    lists = {name: batch.lists[name][1:-1] for name in names}
    rows = [dict(zip(names, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    assert written == encode({"predictions": rows} if columns else lists)


def test_a_long_answer_takes_little_more_than_what_is_written() -> None:
    answer = PredictAnswer(("predictions",), [np.full(400_000, 3.0)], 0.0)
    reply = Reply(BatchAnswer(answer), 0, 400_000, 0.0, 0.0)
    tracemalloc.start()
    try:
        written = AnswerEncoder(Output()).body(reply)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(written)  # with all values as Python's it is 10 times
