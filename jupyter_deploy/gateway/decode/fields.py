"""Fields of CSV as the values of a column.

Many at a time: numbers in compiled code, and of other columns each different text once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from jupyter_deploy.core.contract import Column, Type
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.values import Refused, check, expected

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
#: Many of them with a comma behind each; a field may be empty.
_NUMBERS = re.compile(rf"(?:(?:{_NUMBER.pattern})?,)*+", re.ASCII)
_WHOLES = re.compile(rf"(?:(?:{_WHOLE.pattern})?,)*+", re.ASCII)
#: Fewer are read one by one.
_MANY = 8
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "1": True,
             "false": False, "False": False, "FALSE": False, "0": False}  # fmt: skip


def read_fields(column: Column, fields: Sequence[str]) -> list[Any]:
    """The values of `fields`.  Raises Refused."""
    if len(fields) < _MANY:
        return [_value(column, field) for field in fields]
    numbers = _read_numbers(column, fields)
    if numbers is not None:
        return numbers
    known = {field: _value(column, field) for field in set(fields)}
    return [known[field] for field in fields]


def read_column(
    column: Column, fields: Sequence[str], places: Sequence[tuple[int, int]], faults: Faults
) -> list[Any]:
    """The values of `fields`, which stand in these rows and lines; `faults` gets what is wrong."""
    try:
        return read_fields(column, fields)
    except Refused:
        _explain(column, fields, places, faults)
        return []


def _read_numbers(column: Column, fields: Sequence[str]) -> list[Any] | None:
    """The values of fields that are all numbers and fit, or are empty and may be; else None."""
    read: Callable[[str], int | float]
    if column.type is Type.FLOAT:
        read, pattern = float, _NUMBERS
    elif column.type is Type.INTEGER:
        read, pattern = int, _WHOLES
    else:
        return None
    if not pattern.fullmatch(",".join((*fields, ""))):
        return None
    try:
        present = [read(field) for field in fields if field]
        # The others are between these two.
        for extreme in (min(present), max(present)):
            check(column, extreme)
    except (ValueError, Refused):  # two numbers in one field, or none at all
        return None
    if len(present) == len(fields):
        return present
    return [read(field) if field else None for field in fields] if column.nullable else None


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
