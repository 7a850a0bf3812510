"""CSV: a header, then a row a line; quoted fields, an empty field is a missing value.

Text has no types, so a field is read as what its column is: `1` is a number in a column of numbers
and a string in a column of strings.  A fault names line, row and column.  Rows of a long body are
read some at a time and kept by column, so that it takes little more than its size.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from jupyter_deploy.core.contract import Contract, Form, Tensor
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import pieces
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.fields import read_column, read_fields, typed
from jupyter_deploy.gateway.decode.rows import Rows
from jupyter_deploy.gateway.decode.stack import FrameStack, TensorStack
from jupyter_deploy.gateway.decode.tensors import Walk, check_width
from jupyter_deploy.gateway.decode.values import Refused, element, expected
from jupyter_deploy.gateway.memory import LOOKED_AT, check_room

#: Rows of a long body that are read at a time.
_SOME = 4096
_NO_ROWS = "The CSV needs a header line and at least one row."


@dataclass(frozen=True, slots=True)
class _Some:
    """Rows as wide as the header, and where each stands: its row, and the line that it ends on."""

    rows: list[list[str]]
    places: list[tuple[int, int]]


class _Table:
    """The fields of a body.  Raises BadInput where it is no CSV."""

    def __init__(self, body: bytes) -> None:
        self.size = len(body)
        self.is_long = len(body) >= pieces.LONG_BYTES
        self._lines = _lines(body)
        header = next(self._lines, None)
        if header is None:
            raise BadInput(_NO_ROWS)
        self.header = header[0]
        if len(set(self.header)) < len(self.header):
            raise BadInput("The header of the CSV has a name that stands twice.")

    def some(self) -> Iterator[_Some]:
        """The rows, those of a short body at once."""
        faults, first = Faults(), 0
        while lines := list(islice(self._lines, _SOME if self.is_long else None)):
            places = [(row, line) for row, (_, line) in enumerate(lines, first)]
            rows = [row for row, _ in lines]
            self._check(rows, places, faults)
            if not faults.total:
                yield _Some(rows, places)
            first += len(lines)
        if not first:
            raise BadInput(_NO_ROWS)
        faults.raise_if_any()

    def _check(self, rows: list[list[str]], places: list[tuple[int, int]], faults: Faults) -> None:
        width = len(self.header)
        for row, (index, line) in zip(rows, places, strict=True):
            if len(row) != width:
                wanted, got = f"{width} fields", f"{len(row)} fields"
                faults.add(None, column=None, row=index, expected=wanted, got=got, line=line)


def read_table(contract: Contract, body: bytes, *, whole: bool = False) -> Rows:
    """The rows of a CSV body, in the contract's order.

    Raises BadInput and, for a long body, TooManyValues or ShortOfMemory.
    """
    table = _Table(body)
    if contract.form is Form.FRAME:
        return _frame(contract, table, FrameStack(contract.columns, table.size, whole=whole))
    if contract.tensor is not None:
        return _array(contract.tensor, table)
    return _anything(table)


def _lines(body: bytes) -> Iterator[tuple[list[str], int]]:
    """Each row that is not empty, and the line that it ends on."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise BadInput(f"The CSV is not UTF-8: byte {error.start}.") from error
    # The module's own bound for a field, 128 KB, says nothing of what is valid.
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))
    text = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        for row in reader:
            if row:
                yield row, reader.line_num
    except csv.Error as error:
        raise BadInput(f"Line {reader.line_num} is not valid CSV.") from error


def _frame(contract: Contract, table: _Table, stack: FrameStack) -> Rows:
    places = {name: index for index, name in enumerate(table.header)}
    faults = _misnamed(contract, places)
    sent = [(column, places[column.name]) for column in contract.columns if column.name in places]
    found: dict[str, list[Any]] = {}
    for some in table.some():
        found = {
            column.name: read_column(column, [row[at] for row in some.rows], some.places, faults)
            for column, at in sent
        }
        if table.is_long and not faults.total:
            stack.add(len(some.rows), found)
        if table.is_long and faults.are_enough():
            break
    faults.raise_if_any()
    if table.is_long:
        return stack.rows()
    missing = [None] * len(some.rows)
    columns = [found.get(column.name, missing) for column in contract.columns]
    return list(zip(*columns, strict=True))


def _misnamed(contract: Contract, names: dict[str, int]) -> Faults:
    """What is wrong with the header."""
    faults = Faults()
    known = {column.name for column in contract.columns}
    for name in names if contract.strict else ():
        if name not in known:
            faults.add(None, column=name[:80], row=None, expected="no such column", got="a column")
    for column in contract.columns:
        if column.name not in names and not column.nullable:
            wanted = expected(column)
            faults.add(None, column=column.name, row=None, expected=wanted, got="no such column")
    return faults


def _array(tensor: Tensor, table: _Table) -> Rows:
    walk, stack = Walk(tensor), TensorStack(tensor)
    rows: list[Any] = []
    for some in table.some():
        rows = _some_of_array(tensor, table, some, walk)
        if table.is_long and not walk.faults.total:
            stack.add(rows)
        if table.is_long and walk.faults.are_enough():
            break
    walk.faults.raise_if_any()
    return stack.rows() if table.is_long else rows


def _some_of_array(tensor: Tensor, table: _Table, some: _Some, walk: Walk) -> list[Any]:
    check_width(tensor, len(table.header), ())
    column = element(tensor)
    fields = [field for row in some.rows for field in row]
    try:
        return _of_values(tensor, read_fields(column, fields), len(table.header))
    except Refused:
        loose = [typed(column, field) if field else None for field in fields]
        return walk.rows(_of_values(tensor, loose, len(table.header)), (), some.places[0][0])


def _of_values(tensor: Tensor, values: list[Any], width: int) -> list[Any]:
    if tensor.shape == ():
        return values
    return [values[start : start + width] for start in range(0, len(values), width)]


def _anything(table: _Table) -> list[Any]:
    if table.is_long:
        check_room(2 * LOOKED_AT * table.size)  # an object for each short line
    return [
        {name: field or None for name, field in zip(table.header, row, strict=True)}
        for some in table.some()
        for row in some.rows
    ]
