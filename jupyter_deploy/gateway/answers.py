"""A reply as the body of MLflow's scoring protocol.

Rule 1: the lists of a frame are made once, each request encodes its own rows in compiled code.
Rule 2: NaN and infinity are written as null, because JSON has no word for them.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from jupyter_deploy.core.contract import Output
from jupyter_deploy.gateway.dispatch import Reply

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
        answer, lists = reply.batch.answer, reply.batch.lists
        if not answer.rowwise:
            value = next(iter(lists.values()))
            return b'{"predictions":' + encode(value[0] if value else None) + self._tail
        if answer.columns:
            return b'{"predictions":' + encode(records(reply)) + b"}"
        parts = [
            b'"%b":%b' % (name.encode(), encode_rows(values[reply.start : reply.stop]))
            for name, values in lists.items()
        ]
        return b"{" + b",".join(parts) + self._tail


def records(reply: Reply) -> list[dict[str, Any]]:
    """The rows of an answer that is a frame, as objects."""
    lists = reply.batch.lists
    columns = [values[reply.start : reply.stop] for values in lists.values()]
    return [dict(zip(lists, row, strict=True)) for row in zip(*columns, strict=True)]


def encode(value: Any) -> bytes:
    """`value` as JSON."""
    try:
        return _encoder.encode(value)
    except (OverflowError, UnicodeEncodeError):  # an integer beyond 64 bits, half a character
        return json.dumps(_finite(value), allow_nan=False).encode()


def encode_rows(values: list[Any]) -> bytes:
    """`values` as a JSON array, some at a time: others have their turn in between."""
    if len(values) <= _ROWS_AT_ONCE:
        return encode(values)
    starts = range(0, len(values), _ROWS_AT_ONCE)
    return b"[" + b",".join(encode(values[at : at + _ROWS_AT_ONCE])[1:-1] for at in starts) + b"]"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return value
