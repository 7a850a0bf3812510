"""Long bodies for a model that takes an array: a piece at a time, numbers as numbers.

Rule: what comes out is what the whole would have given, and so is what is wrong.  None means that
the whole has to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from jupyter_deploy.core.contract import Tensor
from jupyter_deploy.gateway.decode import numbers
from jupyter_deploy.gateway.decode.envelope import NO_COLUMNS, Split
from jupyter_deploy.gateway.decode.faults import misfit
from jupyter_deploy.gateway.decode.frames import value_type
from jupyter_deploy.gateway.decode.gather import gather, unless_in_doubt
from jupyter_deploy.gateway.decode.records import names_of_first, record_reader
from jupyter_deploy.gateway.decode.rows import Path
from jupyter_deploy.gateway.decode.stack import TensorStack
from jupyter_deploy.gateway.decode.tensors import Walk, check_width, is_known, row_type
from jupyter_deploy.gateway.decode.values import element, kind
from jupyter_deploy.wire.arrays import Array

#: A reader takes half a kilobyte for each name, and where any number fits there may be millions.
_MOST_NAMES = 10_000
_Decode = Callable[[Raw | bytes], Sequence[Any]]
#: Plain values as rows, the first of which has this number.  Raises BadInput or ValueError.
_Rows = Callable[[list[Any], int], Sequence[Any]]


class LongTensors:
    """Reads the long arrays that one contract describes.  Raises BadInput."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._value = value_type(element(tensor))
        self._single = tensor.shape == ()

    def read(self, form: str, part: Split | Raw) -> Array | None:
        """The rows of a body of this form."""
        if isinstance(part, Split) and part.columns is not NO_COLUMNS:
            return self._split((form, "data"), part)
        at, data = ((form, "data"), part.data) if isinstance(part, Split) else ((form,), part)
        head = bytes(memoryview(data)[:64]).translate(None, b" \t\r\n")
        if head[:1] != b"[":
            return None
        if head[1:2] == b"{":
            return self._records(at, data)
        decoder = msgspec.json.Decoder(list[row_type(self._tensor)])  # type: ignore[misc]
        return self._gathered(at, data, decoder.decode, _without_objects)

    def lists(self, _form: str, lists: Mapping[str, Raw]) -> Array | None:
        """A list of numbers for each column, in the order of the columns."""
        column = element(self._tensor)
        if self._tensor.shape not in ((len(lists),), (-1,)) or not numbers.are_numbers(column):
            return None
        decode = msgspec.json.Decoder(list[self._value]).decode  # type: ignore[name-defined]
        columns = []
        for data in lists.values():
            found = numbers.read(decode, data, column)
            if found is None:
                return None
            columns.append(found)
        rows = numbers.side_by_side(columns)
        return rows if rows is not None and rows.size else None

    def _split(self, at: Path, part: Split) -> Array | None:
        try:
            width = len(msgspec.json.decode(part.columns, type=list[str | int]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if self._single and width != 1:
            return None
        row = Annotated[list[self._value], Meta(min_length=width, max_length=width)]  # type: ignore[name-defined]
        decoder = msgspec.json.Decoder(list[row])

        def rows(values: list[Any], first: int) -> Sequence[Any]:
            for index, one in enumerate(values, first):
                if not isinstance(one, list) or len(one) != width:
                    got = f"{len(one)} values" if isinstance(one, list) else kind(one)
                    raise misfit((*at, index), f"array of {width} values", got)
            return self._flat(values)

        return self._gathered(
            at, part.data, lambda piece: self._flat(decoder.decode(piece)), rows, width
        )

    def _records(self, at: Path, data: Raw) -> Array | None:
        """Objects with the same members, in the order of the first one's."""
        names = names_of_first(data)
        if names is None or len(names) > _MOST_NAMES or (self._single and len(names) != 1):
            return None
        read = record_reader(dict.fromkeys(names, self._value))
        if read is None:
            return None

        def rows(values: list[Any], first: int) -> Sequence[Any]:
            for index, one in enumerate(values, first):
                if not isinstance(one, dict):
                    raise ValueError("objects and others")
                if one.keys() != set(names):
                    raise misfit((*at, index), "the same members in each row", "other members")
            return self._flat([[one[name] for name in names] for one in values])

        return self._gathered(at, data, lambda piece: self._flat(read(piece)), rows, len(names))

    def _flat(self, rows: Sequence[Any]) -> Sequence[Any]:
        return [row[0] for row in rows] if self._single else rows

    def _gathered(
        self, at: Path, data: Raw, decode: _Decode, rows: _Rows, width: int | None = None
    ) -> Array | None:
        stack, walk = TensorStack(self._tensor), Walk(self._tensor)

        def fast(piece: bytes) -> int:
            if not is_known(self._tensor):
                raise ValueError("these values are looked at one by one")
            found = decode(piece)
            stack.add(found)
            return len(found)

        def slow(values: list[Any], first: int) -> None:
            found = walk.rows(rows(values, first), at, first)
            if not walk.faults.total:
                stack.add(found)

        def read() -> Array:
            gather(data, fast, slow, walk.faults)
            if width is not None:
                check_width(self._tensor, width, at)
            walk.faults.raise_if_any()
            return stack.rows()

        return unless_in_doubt(read)


def _without_objects(values: list[Any], _first: int) -> list[Any]:
    if all(isinstance(one, dict) for one in values):
        raise ValueError("objects, and others before them")
    return values
