"""What PREDICT and PREDICTED frames carry.

A request holds one array for each column of the contract, in its order, or one matrix of all of
them where they share a dtype (FRAME), or one array (ARRAY), or one array of JSON values, one for
each row (ANY).  An answer holds one array for each name in `names`, with as many rows as the
request: "predictions", and for a classifier "probabilities" (rows x classes).  A model that answers
with something else than one value for each row gives `rowwise=False` and one array of one JSON
value.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

from jupyter_deploy.wire.arrays import Array, pack_arrays, unpack_arrays

_REQUEST = struct.Struct("<dII")
_ANSWER = struct.Struct("<dI")


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """`seconds_left` is the time to the deadline; `params` is MLflow's, or None."""

    arrays: list[Array]
    rows: int
    seconds_left: float
    params: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PredictAnswer:
    """`model_seconds` is the time in the model's own call."""

    names: tuple[str, ...]
    arrays: list[Array]
    model_seconds: float
    rowwise: bool = True
    #: For a model that answers with a frame: the arrays are its columns.
    columns: bool = field(default=False)


def pack_request(request: PredictRequest) -> bytes:
    """The payload of a PREDICT frame."""
    params = json.dumps(request.params).encode() if request.params else b""
    head = _REQUEST.pack(request.seconds_left, request.rows, len(params))
    return b"".join([head, params, pack_arrays(request.arrays)])


def unpack_request(payload: memoryview) -> PredictRequest:
    """The request in a PREDICT frame.  Raises ValueError."""
    seconds_left, rows, length = _REQUEST.unpack_from(payload, 0)
    start = _REQUEST.size + length
    params = json.loads(bytes(payload[_REQUEST.size : start])) if length else None
    return PredictRequest(unpack_arrays(payload[start:]), rows, seconds_left, params)


def pack_answer(answer: PredictAnswer) -> bytes:
    """The payload of a PREDICTED frame."""
    meta = {"names": answer.names, "rowwise": answer.rowwise, "columns": answer.columns}
    text = json.dumps(meta, separators=(",", ":")).encode()
    head = _ANSWER.pack(answer.model_seconds, len(text))
    return b"".join([head, text, pack_arrays(answer.arrays)])


def unpack_answer(payload: memoryview) -> PredictAnswer:
    """The answer in a PREDICTED frame.  Raises ValueError."""
    model_seconds, length = _ANSWER.unpack_from(payload, 0)
    start = _ANSWER.size + length
    meta = json.loads(bytes(payload[_ANSWER.size : start]))
    return PredictAnswer(
        tuple(meta["names"]),
        unpack_arrays(payload[start:]),
        model_seconds,
        meta["rowwise"],
        meta["columns"],
    )
