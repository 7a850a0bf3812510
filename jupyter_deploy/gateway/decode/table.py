"""CSV: a header, then a row a line; quoted fields, an empty field is a missing value.

Text has no types, so a field is read as what its column is: `1` is a number in a column of numbers
and a string in a column of strings.  A fault names line, row and column.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.tensors import read_columns
from jupyter_deploy.gateway.decode.values import Refused, check, element, expected

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "1": True,
             "false": False, "False": False, "FALSE": False, "0": False}  # fmt: skip


class _Table:
    """The fields of a body, with the line that each row ends on."""

    def __init__(self, header: list[str], rows: list[list[str]], lines: list[int]) -> None:
        self.header = header
        self.rows = rows
        self.lines = lines


def read_table(contract: Contract, body: bytes) -> list[Any]:
    """The rows of a CSV body, in the contract's order.  Raises BadInput."""
    table = _parse(body)
    match contract.form:
        case Form.FRAME:
            return _frame(contract, table)
        case Form.ARRAY:
            return _array(contract, table)
        case Form.ANY:
            return [
                {name: field or None for name, field in zip(table.header, row, strict=True)}
                for row in table.rows
            ]


def _parse(body: bytes) -> _Table:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"The CSV is not UTF-8: byte {error.start}.") from error
    # The module's own bound for a field, 128 KB, says nothing of what is valid.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise BadInput(f"Line {reader.line_num} is not valid CSV.") from error
    if len(rows) < 2:
        raise BadInput("The CSV needs a header line and at least one row.")
    return _rectangle(_Table(rows[0], rows[1:], lines[1:]))


def _rectangle(table: _Table) -> _Table:
    faults = Faults()
    width = len(table.header)
    if len(set(table.header)) < width:
        raise BadInput("The header of the CSV has a name that stands twice.")
    for index, (row, line) in enumerate(zip(table.rows, table.lines, strict=True)):
        if len(row) != width:
            wanted, got = f"{width} fields", f"{len(row)} fields"
            faults.add(None, column=None, row=index, expected=wanted, got=got, line=line)
    faults.raise_if_any()
    return table


def _frame(contract: Contract, table: _Table) -> list[tuple[Any, ...]]:
    faults = Faults()
    places = {name: index for index, name in enumerate(table.header)}
    known = {column.name for column in contract.columns}
    for name in places if contract.strict else ():
        if name not in known:
            faults.add(None, column=name[:80], row=None, expected="no such column", got="a column")
    columns = [_column(column, table, places, faults) for column in contract.columns]
    faults.raise_if_any()
    return list(zip(*columns, strict=True))


def _column(column: Column, table: _Table, places: dict[str, int], faults: Faults) -> list[object]:
    place = places.get(column.name)
    if place is None:
        if not column.nullable:
            wanted = expected(column)
            faults.add(None, column=column.name, row=None, expected=wanted, got="no such column")
        return [None] * len(table.rows)
    values = []
    for index, row in enumerate(table.rows):
        try:
            values.append(_value(column, row[place]))
        except Refused as refused:
            faults.add(None, column=column.name, row=index, line=table.lines[index],
                       expected=refused.expected, got=refused.got)  # fmt: skip
    return values


def _value(column: Column, field: str) -> object:
    if field == "" and (column.nullable or column.type is not Type.STRING):
        return check(column, None) if column.nullable else _empty(column)
    return check(column, _typed(column, field))


def _empty(column: Column) -> object:
    raise Refused(expected(column), "an empty field")


def _typed(column: Column, field: str) -> object:
    """The field as what its column is, or as text where it cannot be that."""
    match column.type:
        case Type.INTEGER if _WHOLE.fullmatch(field):
            return int(field)
        case Type.INTEGER | Type.FLOAT if _NUMBER.fullmatch(field):
            return float(field)
        case Type.BOOLEAN:
            return _BOOLEANS.get(field, field)
    return field


def _array(contract: Contract, table: _Table) -> list[Any]:
    tensor = contract.tensor
    assert tensor is not None, "ARRAY has a tensor"
    column = element(tensor)
    rows = [[_typed(column, field) if field else None for field in row] for row in table.rows]
    return read_columns(tensor, table.header, rows, ())
