"""Contracts and shorthand for the tests of decoding."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import InputDecoder, pieces
from jupyter_deploy.gateway.decode.rows import Columns
from jupyter_deploy.wire.arrays import pack_arrays

NOON = 1_704_110_400_000_000_000  # 2024-01-01T12:00:00Z
INTEGER, FLOAT, BOOLEAN, STRING, TIME = (
    Type.INTEGER, Type.FLOAT, Type.BOOLEAN, Type.STRING, Type.DATETIME,
)  # fmt: skip

PEOPLE = Contract(
    Form.FRAME,
    (
        Column("age", Type.INTEGER, "int64"),
        Column("pay/month", Type.FLOAT, "float64", nullable=True),
        Column("plan", Type.STRING, "category", categories=("basic", "pro"), closed=True),
        Column("since", Type.DATETIME, "datetime64[ns]", nullable=True),
        Column("active", Type.BOOLEAN, "bool"),
    ),
)
NAMES = [column.name for column in PEOPLE.columns]
ROW = [41, 10.5, "pro", "2024-01-01T12:00:00Z", True]
READ = (41, 10.5, "pro", NOON, True)


def one(type_: Type, dtype: str, *, nullable: bool = False) -> Contract:
    return Contract(Form.FRAME, (Column("x", type_, dtype, nullable=nullable),))


def rows(contract: Contract, body: object) -> list:
    """The rows of `body`; read as long bodies are, they are the same."""
    found = InputDecoder(contract).json(as_bytes(body)).rows
    with in_pieces():
        again = InputDecoder(contract).json(as_bytes(body)).rows
    assert isinstance(again, np.ndarray | Columns) or again == found
    assert travelling(contract, again) == travelling(contract, found)
    return found


def travelling(contract: Contract, rows: Any) -> bytes:
    """What of `rows` a replica gets."""
    return pack_arrays(ArrayBuilder(contract).arrays(rows))


def refusal(contract: Contract, body: object) -> BadInput:
    """Why `body` is refused; read as long bodies are, it is refused for the same."""
    with pytest.raises(BadInput) as caught:
        InputDecoder(contract).json(as_bytes(body))
    with in_pieces(), pytest.raises(BadInput) as again:
        InputDecoder(contract).json(as_bytes(body))
    assert (again.value.detail, again.value.errors) == (caught.value.detail, caught.value.errors)
    return caught.value


@contextlib.contextmanager
def in_pieces() -> Iterator[None]:
    """Every body is long, and cut wherever a row may end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LONG_BYTES", 0)
        patch.setattr(pieces, "PIECE_BYTES", 0)
        yield


def as_bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def outcome(read: Callable[[], Any]) -> Any:
    """What `read` gives, or what is wrong with the body."""
    try:
        return read()
    except BadInput as error:
        return error.errors
