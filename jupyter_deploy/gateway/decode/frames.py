"""The fast pass for frames: rows as tuples in the contract's order, in compiled code.

A msgspec decoder typed from the contract reads and checks all values in one go; there is one for
each set of columns that callers send, kept while it is in use.  None means: the careful pass has to
look, be it to say what is wrong or because the body is unusual.  Long bodies are read with the same
decoders, a piece at a time (long_frames.py).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw

from jupyter_deploy.core.contract import Column, Contract, Type
from jupyter_deploy.gateway.decode import pieces
from jupyter_deploy.gateway.decode.records import (
    check_keys,
    names_of_first,
    record_reader,
)
from jupyter_deploy.gateway.decode.values import (
    FLOAT_LIMITS,
    Refused,
    categories,
    check,
    integer_range,
)

_T = TypeVar("_T")
Rows = list[tuple[Any, ...]]
#: Reads a list for each column.
ListReader = Callable[[Mapping[str, Raw]], Rows]
#: Decoders kept for one version: one for each set of columns in each form.
_KEPT = 64
#: A decoder is made for so many columns that the contract does not have, and for so much more in
#: their names: it takes half a kilobyte a column, and what callers make up shall not be kept.
_MORE_NAMES, _MORE_BYTES = 256, 16_384
#: What reading raises when in doubt.
IN_DOUBT = (*pieces.FAILURES, Refused)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads rows of the columns `sent`: `decode` gives them so, and `arrange` in the contract's."""

    sent: tuple[str, ...]
    decode: Callable[[Raw | bytes], Rows]
    arrange: Callable[[Rows], Rows]

    def __call__(self, data: Raw | bytes) -> Rows:
        """Rows in the contract's order."""
        return self.arrange(self.decode(data))


class FrameReader:
    """Reads the frames that one contract describes; every method gives None when in doubt."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._names = tuple(column.name for column in contract.columns)
        self._by_name = {column.name: column for column in contract.columns}
        self._row_reader = functools.lru_cache(_KEPT)(self._make_row_reader)
        self._record_reader = functools.lru_cache(_KEPT)(self._make_record_reader)
        self._list_reader = functools.lru_cache(_KEPT)(self._make_list_reader)
        self._usual = frozenset(self._names)
        self._in_order = msgspec.json.encode(self._names)
        self._most_names = len(self._names) + _MORE_NAMES
        # Python escapes what is not ASCII, in up to twelve bytes for four.
        self._longest_key = 4 * len(self._in_order) + _MORE_BYTES

    def split(self, columns: Raw, data: Raw) -> Rows | None:
        """Rows of `dataframe_split`."""
        return _attempt(self.row_reader(columns), data)

    def rows(self, data: Raw) -> Rows | None:
        """Rows in the contract's order, without names."""
        return _attempt(self.row_reader(None), data)

    def records(self, data: Raw) -> Rows | None:
        """Objects with a value for each column."""
        rows = _attempt(self._record_reader(self._usual), data)
        if rows is not None:
            return rows
        first = names_of_first(data)
        names = frozenset(first or ())
        if first is None or names == self._usual:
            return None
        rows = _attempt(self.record_reader(names), data)
        if rows is not None:
            self._usual = names
        return rows

    def columns(self, data: Raw) -> Rows | None:
        """One object with a list for each column."""
        lists = members_of(data)
        return None if lists is None else self._lists(lists)

    def row_reader(self, columns: Raw | None) -> Reader | None:
        """What reads rows of these columns, a list of names in JSON; of the contract's for None."""
        if columns is None:
            return self._row_reader(self._in_order)
        if memoryview(columns).nbytes > self._longest_key:
            return None
        return self._row_reader(bytes(columns))

    def record_reader(self, names: frozenset[str]) -> Reader | None:
        """What reads objects with these members."""
        return self._record_reader(names) if len(names) <= self._most_names else None

    def _lists(self, columns: Mapping[str, Raw]) -> Rows | None:
        if len(columns) > self._most_names:
            return None
        return _attempt(self._list_reader(frozenset(columns)), columns)

    def _make_row_reader(self, columns: bytes) -> Reader | None:
        try:
            sent = [str(name) for name in msgspec.json.decode(columns, type=list[str | int])]
        except IN_DOUBT:
            return None
        if not sent or not self._complete(frozenset(sent)) or len(set(sent)) < len(sent):
            return None
        types = tuple(self._type_of(name) for name in sent)
        decoder = msgspec.json.Decoder(list[tuple[types]])  # type: ignore[valid-type]
        return Reader(tuple(sent), decoder.decode, self._arrange(sent))

    def _make_record_reader(self, names: frozenset[str]) -> Reader | None:
        if not self._complete(names):
            return None
        sent = self._sent(names)
        read = record_reader({name: self._type_of(name) for name in sent})
        if read is None:
            return None
        return Reader(sent, read, self._arrange(sent))

    def _make_list_reader(self, names: frozenset[str]) -> ListReader | None:
        if not names or not self._complete(names):
            return None
        sent = self._sent(names)
        decode = [msgspec.json.Decoder(list[self._type_of(name)]).decode for name in sent]  # type: ignore[misc]
        arrange = self._arrange(sent)
        # In all others msgspec lets no object pass.
        loose = [name for name in sent if self._type_of(name) in (Any, Raw)]

        def read(lists: Mapping[str, Raw]) -> Rows:
            for name in loose:
                check_keys(bytes(lists[name]), 0)
            columns = [one(lists[name]) for one, name in zip(decode, sent, strict=True)]
            return arrange(list(zip(*columns, strict=True)))

        return read

    def _sent(self, names: frozenset[str]) -> tuple[str, ...]:
        """The names, in the contract's order as far as it knows them."""
        known = [name for name in self._names if name in names]
        return (*known, *sorted(names - set(known)))

    def _complete(self, names: frozenset[str]) -> bool:
        if self._contract.strict and names - self._by_name.keys():
            return False
        return all(column.nullable or column.name in names for column in self._contract.columns)

    def _type_of(self, name: str) -> Any:
        column = self._by_name.get(name)
        return Raw if column is None else value_type(column)

    def _arrange(self, sent: Sequence[str]) -> Callable[[Rows], Rows]:
        """Rows in the order of `sent` as rows in the contract's order, times as nanoseconds."""
        order = _in_order(sent, self._names)
        # What msgspec cannot say is done value by value, and only where it is needed.
        late = [
            (place, functools.partial(check, column))
            for place, column in enumerate(self._contract.columns)
            if column.type in (Type.DATETIME, Type.OBJECT)
        ]
        if not late:
            return order
        return lambda rows: [_finished(row, late) for row in order(rows)]


def value_type(column: Column) -> Any:
    """The type that msgspec holds a value of `column` against; None for what it cannot say."""
    kind = _bare_type(column)
    # None is a value of Any, and the late check refuses it where it may not be.
    return kind | None if column.nullable and kind is not Any else kind


def _bare_type(column: Column) -> Any:
    if column.type is Type.INTEGER:
        low, high = integer_range(column.dtype)
        # msgspec's bounds are int64; what is above them is left to the careful pass.
        return Annotated[int, Meta(ge=low, le=min(high, 2**63 - 1))]
    if column.type is Type.FLOAT:
        limit = FLOAT_LIMITS.get(column.dtype.lower())
        return float if limit is None else Annotated[float, Meta(ge=-limit, le=limit)]
    if column.type is Type.STRING and (allowed := categories(column)):
        return Literal[allowed]
    simple: dict[Type, Any] = {Type.BOOLEAN: bool, Type.STRING: str, Type.DATETIME: str}
    return simple.get(column.type, Any)


def _in_order(sent: Sequence[str], names: Sequence[str]) -> Callable[[Rows], Rows]:
    if tuple(sent) == tuple(names):
        return lambda rows: rows
    missing = len(sent)
    places = [sent.index(name) if name in sent else missing for name in names]
    if len(places) == 1:
        only = places[0]
        return lambda rows: [((*row, None)[only],) for row in rows]
    pick = operator.itemgetter(*places)
    if missing in places:
        return lambda rows: [pick((*row, None)) for row in rows]
    return lambda rows: list(map(pick, rows))


def _finished(
    row: tuple[Any, ...], late: Sequence[tuple[int, Callable[[Any], Any]]]
) -> tuple[Any, ...]:
    values = list(row)
    for place, finish in late:
        values[place] = finish(values[place])
    return tuple(values)


def _attempt(reader: Callable[[_T], Rows] | None, data: _T) -> Rows | None:
    if reader is None:
        return None
    try:
        return reader(data) or None
    except IN_DOUBT:
        return None


def members_of(data: Raw) -> dict[str, Raw] | None:
    """The members of an object of lists; None when in doubt."""
    try:
        members = msgspec.json.decode(data, type=dict[str, Raw])
        check_keys(bytes(data), len(members))
    except IN_DOUBT:
        return None
    return members
