"""Tensors of the Open Inference Protocol: from JSON or bytes to values, and back.

Rule: datatype, shape and data must agree, and are checked in this order.  A value that a datatype
cannot hold is refused here; whether it fits the contract is the contract's matter.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from jupyter_deploy.core.contract import Column, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.answers import encode_rows, some
from jupyter_deploy.gateway.decode.envelope import plain
from jupyter_deploy.gateway.decode.faults import Faults, misfit
from jupyter_deploy.gateway.decode.values import Refused, check, integer_dtype
from jupyter_deploy.wire.arrays import Array


@dataclass(frozen=True, slots=True)
class Datatype:
    """A datatype: the rule for its JSON values, and the NumPy dtype of its bytes."""

    column: Column
    dtype: str


def _of(type_: Type, dtype: str) -> Datatype:
    return Datatype(Column("", type_, dtype, nullable=type_ is Type.FLOAT), dtype)


_DATATYPES = {
    "BOOL": _of(Type.BOOLEAN, "bool"),
    "FP16": _of(Type.FLOAT, "float16"),
    "FP32": _of(Type.FLOAT, "float32"),
    "FP64": _of(Type.FLOAT, "float64"),
    "BYTES": Datatype(Column("", Type.STRING, "str", nullable=True), "object"),
} | {
    f"{word}{bits}": _of(Type.INTEGER, f"{dtype}{bits}")
    for word, dtype in (("INT", "int"), ("UINT", "uint"))
    for bits in (8, 16, 32, 64)
}
_NAMES = {kind.dtype: name for name, kind in _DATATYPES.items()}
#: Where a tensor stands in the body.
_Path = tuple[str | int, ...]
_LENGTH = struct.Struct("<I")
_MOST_DIMENSIONS = 32


class _Parameters(msgspec.Struct):
    binary_data_size: int | UnsetType = UNSET


class Tensor(msgspec.Struct):
    """One input; `binary` is its part of the bytes behind the JSON, when it comes so."""

    name: str
    shape: list[int]
    datatype: str
    data: Raw | UnsetType = UNSET
    parameters: _Parameters | UnsetType = UNSET
    binary: Any = None

    def binary_size(self) -> int | None:
        """How many bytes of binary data belong to it; None when it comes as JSON."""
        if self.parameters is UNSET or self.parameters.binary_data_size is UNSET:
            return None
        return max(0, self.parameters.binary_data_size)


def json_size(headers: Mapping[bytes, bytes]) -> int | None:
    """Inference-Header-Content-Length, where it is sent.  Raises BadInput."""
    sent = headers.get(b"inference-header-content-length")
    if sent is None:
        return None
    if not sent.isdigit() or len(sent) > len(str(1 << 40)):
        raise BadInput("Inference-Header-Content-Length is not a number of bytes.")
    return int(sent)


def split_body(body: bytes, size: int | None) -> tuple[bytes, memoryview]:
    """The JSON of a body of which it takes `size` bytes, and the rest.  Raises BadInput."""
    if size is None:
        return body, memoryview(b"")
    if size > len(body):
        raise BadInput("Inference-Header-Content-Length is larger than the body.")
    return body[:size], memoryview(body)[size:]


def kind_of(tensor: Tensor) -> Datatype | None:
    """Its datatype, if it is one."""
    return _DATATYPES.get(tensor.datatype)


def flat_values(tensor: Tensor, index: int) -> list[Any]:
    """The values of the `index`-th tensor of a request, in a flat list.  Raises BadInput."""
    at: _Path = ("inputs", index)
    kind = kind_of(tensor)
    if kind is None:
        raise misfit((*at, "datatype"), f"one of {', '.join(_DATATYPES)}", "another")
    if not 0 < len(tensor.shape) <= _MOST_DIMENSIONS or min(tensor.shape) < 0:
        raise misfit((*at, "shape"), "a list of sizes", "something else")
    values = (
        _from_json(tensor, kind, at) if tensor.binary is None else _from_bytes(tensor, kind, at)
    )
    count = math.prod(tensor.shape)
    if len(values) != count:
        raise misfit((*at, "data"), f"{count} values", f"{len(values)} values")
    return values


def nested(tensor: Tensor, index: int) -> list[Any]:
    """The values as lists in lists, as the shape says.  Raises BadInput."""
    values = flat_values(tensor, index)
    for size in reversed(tensor.shape[1:]):
        if size == 0:
            raise misfit(("inputs", index, "shape"), "sizes above zero", "a zero")
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def datatype_of(column: Column) -> str:
    """The datatype for a column of a contract."""
    match column.type:
        case Type.BOOLEAN:
            return "BOOL"
        case Type.INTEGER:
            return _NAMES[integer_dtype(column.dtype)]
        case Type.FLOAT:
            return _NAMES.get(column.dtype.lower(), "FP64")
    return "BYTES"


def as_output(name: str, array: Array) -> dict[str, Any]:
    """An array of an answer as an output tensor."""
    datatype = _NAMES.get(array.dtype.name, "BYTES")
    parts: Iterable[list[Any]] = some(array.ravel())
    if array.dtype == object:
        datatype, values = _plainest(array.ravel().tolist())
        parts = [values]
    data = Raw(encode_rows(parts))
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": data}


def _plainest(values: list[Any]) -> tuple[str, list[Any]]:
    """A datatype for values that came as objects."""
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return "BYTES", values
    if kinds == {bool}:
        return "BOOL", values
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return "INT64", values
    if kinds and kinds <= {int, float, type(None)}:
        return "FP64", values
    texts = [v if isinstance(v, str) else msgspec.json.encode(v).decode() for v in values]
    return "BYTES", texts


def _from_json(tensor: Tensor, kind: Datatype, at: _Path) -> list[Any]:
    if tensor.data is UNSET:
        raise misfit(at, "data", "none")
    values = plain(tensor.data)
    if not isinstance(values, list):
        raise misfit((*at, "data"), "array", "something else")
    # Data may be flat or nested; nested data must have the tensor's shape.
    for depth in range(1, len(tensor.shape)):
        if not values or not isinstance(values[0], list):
            break
        if len(values) != math.prod(tensor.shape[:depth]):
            raise misfit((*at, "data"), "data of the tensor's shape", "data of another shape")
        values = _joined(values, at)
    return _checked(values, kind, at)


def _joined(values: list[Any], at: _Path) -> list[Any]:
    if not all(isinstance(value, list) for value in values):
        raise misfit((*at, "data"), "data of the tensor's shape", "data of another shape")
    if len({len(value) for value in values}) > 1:
        raise misfit((*at, "data"), "rows of one length", "rows of different lengths")
    return list(itertools.chain.from_iterable(values))


def _checked(values: list[Any], kind: Datatype, at: _Path) -> list[Any]:
    faults = Faults()
    checked = []
    for index, value in enumerate(values):
        try:
            checked.append(check(kind.column, value))
        except Refused as refused:
            faults.add((*at, "data", index), column=None, row=None,
                       expected=refused.expected, got=refused.got)  # fmt: skip
    faults.raise_if_any()
    return checked


def _from_bytes(tensor: Tensor, kind: Datatype, at: _Path) -> list[Any]:
    if tensor.datatype == "BYTES":
        return strings(tensor.binary, at)
    dtype = np.dtype(kind.dtype).newbyteorder("<")
    wanted = math.prod(tensor.shape) * dtype.itemsize
    if len(tensor.binary) != wanted:
        raise misfit(at, f"{wanted} bytes", f"{len(tensor.binary)} bytes")
    values: list[Any] = np.frombuffer(tensor.binary, dtype=dtype).tolist()
    if kind.column.type is not Type.FLOAT:
        return values
    if any(math.isinf(value) for value in values):
        raise misfit(at, "numbers", "infinity")
    return [None if math.isnan(value) else value for value in values]


def strings(data: memoryview, at: _Path) -> list[Any]:
    """Strings, each behind its length.  Raises BadInput."""
    values = []
    start = 0
    while start < len(data):
        if start + _LENGTH.size > len(data):
            raise misfit(at, "strings behind their lengths", "truncated data")
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        chunk = data[start : start + length]
        if len(chunk) < length:
            raise misfit(at, "strings behind their lengths", "truncated data")
        try:
            values.append(str(chunk, "utf-8"))
        except UnicodeDecodeError as error:
            raise misfit(at, "strings in UTF-8", "other bytes") from error
        start += length
    return values
