"""Long frames: a piece at a time, column by column.

Rule: what comes out is what the whole would have given, and so is what is wrong.  None means that
the whole has to be looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from jupyter_deploy.core.contract import Column, Contract, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import careful, pieces
from jupyter_deploy.gateway.decode.envelope import NO_COLUMNS, Split, plain
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.frames import FrameReader, Reader, members_of, value_type
from jupyter_deploy.gateway.decode.gather import gather, unless_in_doubt
from jupyter_deploy.gateway.decode.records import check_keys, names_of_first
from jupyter_deploy.gateway.decode.rows import Columns, Path
from jupyter_deploy.gateway.decode.stack import FrameStack
from jupyter_deploy.gateway.decode.values import check

_LATE = (Type.DATETIME, Type.OBJECT)
_raws = msgspec.json.Decoder(list[Raw])
#: Rows from the first of these on, in the contract's order; `faults` gets what is wrong.
_Careful = Callable[[list[Any], int, Faults], list[tuple[Any, ...]]]


class LongFrames:
    """Reads the long frames that one contract describes.  Raises BadInput or TooManyValues."""

    def __init__(self, contract: Contract, reader: FrameReader, *, whole: bool = False) -> None:
        self._whole = whole
        self._contract = contract
        self._reader = reader
        self._by_name = {column.name: column for column in contract.columns}

    def read(self, form: str, part: Split | Raw) -> Columns | None:
        """The rows of a body of this form."""
        if isinstance(part, Split):
            return self._split(form, part)
        if form == "dataframe_records":
            return self._records(form, part)
        head = bytes(memoryview(part)[:64]).translate(None, b" \t\r\n")
        if head[:1] == b"{":
            lists = members_of(part)
            if lists is None:
                return None
            careful.check_complete(self._contract, list(lists), (form,))
            return unless_in_doubt(lambda: self._of_lists(form, lists))
        return self._records(form, part) if head[1:2] == b"{" else self._list(form, part, head)

    def lists(self, form: str, lists: Mapping[str, Raw]) -> Columns | None:
        """A list for each column, by its name, if these are what they seem to be."""
        try:
            careful.check_complete(self._contract, list(lists), (form,))
        except BadInput:
            return None
        return unless_in_doubt(lambda: self._of_lists(form, lists))

    def _split(self, form: str, part: Split) -> Columns | None:
        at = (form, "data")
        if part.columns is NO_COLUMNS:
            return self._rows(at, part.data, [*self._by_name], self._reader.row_reader(None))
        names = careful.column_names(self._contract, plain(part.columns), (form, "columns"))
        return self._rows(at, part.data, names, self._reader.row_reader(part.columns))

    def _list(self, form: str, data: Raw, head: bytes) -> Columns | None:
        """A list of rows, or of values for a single column."""
        if head[1:2] != b"[" and len(self._by_name) == 1:
            return self._bare((form,), data)
        return self._rows((form,), data, [*self._by_name], self._reader.row_reader(None))

    def _rows(
        self, at: Path, data: Raw, names: Sequence[str], reader: Reader | None
    ) -> Columns | None:
        def look(values: list[Any], first: int, faults: Faults) -> list[tuple[Any, ...]]:
            return careful.some_rows(self._contract, names, values, at, first, faults)

        return self._gathered(data, reader, look)

    def _records(self, form: str, data: Raw) -> Columns | None:
        def look(values: list[Any], first: int, faults: Faults) -> list[tuple[Any, ...]]:
            if form != "dataframe_records" and not all(isinstance(one, dict) for one in values):
                raise ValueError("objects and others")
            return careful.some_records(self._contract, values, (form,), first, faults)

        names = names_of_first(data)
        reader = None if names is None else self._reader.record_reader(frozenset(names))
        return self._gathered(data, reader, look)

    def _bare(self, at: Path, data: Raw) -> Columns | None:
        (column,) = self._contract.columns
        decoder = msgspec.json.Decoder(list[value_type(column)])  # type: ignore[misc]

        def decode(piece: Raw | bytes) -> list[tuple[Any, ...]]:
            if column.type is Type.OBJECT:
                raise ValueError("objects are looked at one by one")
            return [(value,) for value in decoder.decode(piece)]

        def look(values: list[Any], first: int, faults: Faults) -> list[tuple[Any, ...]]:
            if any(isinstance(one, list | dict) for one in values):
                raise ValueError("rows and others")
            rows = [[value] for value in values]
            return careful.some_rows(
                self._contract, [column.name], rows, at, first, faults, bare=True
            )

        return self._gathered(data, Reader((column.name,), decode, lambda rows: rows), look)

    def _gathered(self, data: Raw, reader: Reader | None, look: _Careful) -> Columns | None:
        faults = Faults()
        stack = self._stack(memoryview(data).nbytes)

        def fast(piece: bytes) -> int:
            if reader is None:
                raise ValueError("there is no reader for these columns")
            rows = reader.decode(piece)
            stack.add(len(rows), self._finished(reader.sent, rows))
            return len(rows)

        def slow(values: list[Any], first: int) -> None:
            rows = look(values, first, faults)
            if not faults.total:
                stack.add_rows(rows)

        def rows() -> Columns:
            gather(data, fast, slow, faults)
            faults.raise_if_any()
            return stack.rows()

        return unless_in_doubt(rows)

    def _stack(self, size: int) -> FrameStack:
        return FrameStack(self._contract.columns, size, whole=self._whole)

    def _finished(
        self, sent: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> dict[str, Sequence[Any]]:
        """The columns of `rows` that the contract knows."""
        return {
            name: _finish(self._by_name[name], values)
            for name, values in zip(sent, zip(*rows, strict=True), strict=False)
            if name in self._by_name
        }

    def _of_lists(self, form: str, lists: Mapping[str, Raw]) -> Columns:
        stack = self._stack(sum(memoryview(data).nbytes for data in lists.values()))
        faults = Faults()
        counts = {_count(data) for name, data in lists.items() if name not in self._by_name}
        for name, column in self._by_name.items():
            if name in lists and not faults.cut:
                counts.add(self._one_list(column, lists[name], (form, name), stack, faults))
        if not faults.cut and len(counts) != 1:
            raise ValueError("columns of different lengths")
        faults.raise_if_any()
        (count,) = counts
        for name, one in stack.columns.items():
            if name not in lists:
                one.skip(count)
        return stack.rows()

    def _one_list(
        self, column: Column, data: Raw, at: Path, stack: FrameStack, faults: Faults
    ) -> int:
        decoder = msgspec.json.Decoder(list[value_type(column)])  # type: ignore[misc]
        one = stack.columns[column.name]

        def fast(piece: bytes) -> int:
            if column.type is Type.OBJECT:
                check_keys(piece, 0)
            values = decoder.decode(piece)
            one.add(one.packed(_finish(column, values)))
            return len(values)

        def slow(values: list[Any], first: int) -> None:
            found = careful.some_values(column, values, at, first, faults)
            if not faults.total:
                one.add(one.packed(found))

        return gather(data, fast, slow, faults)


def _finish(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """What msgspec cannot say is looked at value by value.  Raises Refused."""
    if column.type not in _LATE:
        return values
    return list(map(functools.partial(check, column), values))


def _count(data: Raw) -> int:
    """How many values a list has that nobody reads."""
    check_keys(bytes(data), 0)
    return sum(map(len, pieces.each(_raws.decode, data)))
