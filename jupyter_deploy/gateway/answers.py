"""A reply as the body of MLflow's scoring protocol.

Rule 1: the lists of a frame are made once, each request encodes its own rows in compiled code; a
long answer is made and encoded some rows at a time.
Rule 2: NaN and infinity are written as null, because JSON has no word for them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from jupyter_deploy.core.contract import Output
from jupyter_deploy.gateway.dispatch import Reply
from jupyter_deploy.gateway.dispatch.work import as_list
from jupyter_deploy.wire.arrays import Array

_encoder = msgspec.json.Encoder()
#: A few milliseconds' work, in which nobody else runs.
_ROWS_AT_ONCE = 16_384


class AnswerEncoder:
    """Encodes the answers of one version."""

    def __init__(self, output: Output) -> None:
        classes = b"" if output.classes is None else encode(list(output.classes))
        self._tail = b',"classes":' + classes + b"}" if classes else b"}"

    def body(self, reply: Reply) -> bytes:
        """`{"predictions": [...]}`, for a classifier with "probabilities" and "classes"."""
        answer = reply.batch.answer
        if answer.rowwise and reply.stop - reply.start > _ROWS_AT_ONCE:
            return self._long(reply)
        lists = reply.batch.lists
        if not answer.rowwise:
            value = next(iter(lists.values()))
            return b'{"predictions":' + encode(value[0] if value else None) + self._tail
        if answer.columns:
            return b'{"predictions":' + encode(records(reply)) + b"}"
        parts = [
            b'"%b":%b' % (name.encode(), encode(values[reply.start : reply.stop]))
            for name, values in lists.items()
        ]
        return b"{" + b",".join(parts) + self._tail

    def _long(self, reply: Reply) -> bytes:
        answer = reply.batch.answer
        arrays = [array[reply.start : reply.stop] for array in answer.arrays]
        if answer.columns:
            rows = _pieces(_objects(answer.names, arrays))
            return b"".join([b'{"predictions":', *rows, b"}"])
        pieces = [b"{"]
        for name, array in zip(answer.names, arrays, strict=True):
            pieces += (b'"%b":' % name.encode(), *_pieces(some(array)), b",")
        # Once: others wait while 100 MB are copied.
        return b"".join([*pieces[:-1], self._tail])


def records(reply: Reply) -> list[dict[str, Any]]:
    """The rows of an answer that is a frame, as objects."""
    lists = reply.batch.lists
    columns = [values[reply.start : reply.stop] for values in lists.values()]
    return [dict(zip(lists, row, strict=True)) for row in zip(*columns, strict=True)]


def some(array: Array) -> Iterator[list[Any]]:
    """The rows of `array` as Python values, some at a time."""
    for at in range(0, len(array), _ROWS_AT_ONCE):
        yield as_list(array[at : at + _ROWS_AT_ONCE])


def _objects(names: Sequence[str], columns: Sequence[Array]) -> Iterator[list[dict[str, Any]]]:
    for lists in zip(*map(some, columns), strict=True):
        yield [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def encode(value: Any) -> bytes:
    """`value` as JSON."""
    try:
        return _encoder.encode(value)
    except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits, half a character
        return json.dumps(_finite(value), allow_nan=False).encode()


def encode_rows(parts: Iterable[list[Any]]) -> bytes:
    """The values of all `parts` as one JSON array: others have their turn in between."""
    return b"".join(_pieces(parts))


def _pieces(parts: Iterable[list[Any]]) -> Iterator[bytes]:
    begin = b"["
    for part in parts:
        yield begin
        yield encode(part)[1:-1]
        begin = b","
    yield b"]" if begin == b"," else b"[]"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return value
