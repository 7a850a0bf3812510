"""Contracts and shorthand for the tests of decoding."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import InputDecoder

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
    return InputDecoder(contract).json(as_bytes(body)).rows


def refusal(contract: Contract, body: object) -> BadInput:
    with pytest.raises(BadInput) as caught:
        InputDecoder(contract).json(as_bytes(body))
    return caught.value


def as_bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def outcome(read: Callable[[], Any]) -> Any:
    """What `read` gives, or what is wrong with the body."""
    try:
        return read()
    except BadInput as error:
        return error.errors
