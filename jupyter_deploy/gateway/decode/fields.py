"""Fields of CSV as the values of a column: each different text is looked at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_deploy.core.contract import Column, Type
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.values import Refused, check, expected

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "1": True,
             "false": False, "False": False, "FALSE": False, "0": False}  # fmt: skip


def values_of(column: Column, fields: Iterable[str]) -> dict[str, Any]:
    """The value of each different field.  Raises Refused."""
    return {field: _value(column, field) for field in set(fields)}


def read_column(
    column: Column, fields: Sequence[str], places: Sequence[tuple[int, int]], faults: Faults
) -> list[Any]:
    """The values of `fields`, which stand in these rows and lines; `faults` gets what is wrong."""
    try:
        known = values_of(column, fields)
    except Refused:
        _explain(column, fields, places, faults)
        return []
    return [known[field] for field in fields]


def typed(column: Column, field: str) -> object:
    """The field as what its column is, or as text where it cannot be that."""
    match column.type:
        case Type.INTEGER if _WHOLE.fullmatch(field):
            return int(field)
        case Type.INTEGER | Type.FLOAT if _NUMBER.fullmatch(field):
            return float(field)
        case Type.BOOLEAN:
            return _BOOLEANS.get(field, field)
    return field


def _explain(
    column: Column, fields: Sequence[str], places: Sequence[tuple[int, int]], faults: Faults
) -> None:
    for field, (row, line) in zip(fields, places, strict=True):
        try:
            _value(column, field)
        except Refused as refused:
            faults.add(None, column=column.name, row=row, line=line,
                       expected=refused.expected, got=refused.got)  # fmt: skip


def _value(column: Column, field: str) -> object:
    if field == "" and (column.nullable or column.type is not Type.STRING):
        return check(column, None) if column.nullable else _empty(column)
    return check(column, typed(column, field))


def _empty(column: Column) -> object:
    raise Refused(expected(column), "an empty field")
