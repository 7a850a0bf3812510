"""Long tensors: numbers are read without a Python value for each, the same texts as one.

Rule: what comes out is what `v2` makes of the values one by one; None says that it has to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.columns import matrix_dtype
from jupyter_deploy.gateway.decode import numbers, texts
from jupyter_deploy.gateway.decode.frames import value_type
from jupyter_deploy.gateway.decode.rows import Columns, Rows
from jupyter_deploy.gateway.decode.values import Refused, categories, check, element
from jupyter_deploy.gateway.v2_tensors import Datatype, Tensor, kind_of, strings
from jupyter_deploy.wire.arrays import Array

_MOST_DIMENSIONS = 8
#: What may become of values that are no numbers.
_KINDS = {Type.STRING: (Type.STRING, Type.DATETIME), Type.BOOLEAN: (Type.BOOLEAN,)}
#: Decoders that are kept: one for each datatype and shape of a row.
_KEPT = 64


def rows_of(contract: Contract, inputs: list[Tensor]) -> Rows | None:
    """The rows of a request with long tensors."""
    match contract.form:
        case Form.ARRAY:
            return _array(contract, inputs)
        case Form.FRAME:
            by_name = {tensor.name: tensor for tensor in inputs}
            names = [column.name for column in contract.columns]
            if len(inputs) == 1 and inputs[0].name not in names:
                return _matrix(contract, inputs[0])
            if len(inputs) == len(names) and by_name.keys() == set(names):
                return _frame(contract, by_name)
    return None


def _array(contract: Contract, inputs: list[Tensor]) -> Array | None:
    tensor = contract.tensor
    assert tensor is not None, "ARRAY has a tensor"
    if len(inputs) != 1 or tuple(inputs[0].shape[1:]) != tensor.shape:
        return None
    found = _numbers(inputs[0])
    return found if found is not None and numbers.fit(element(tensor), found) else None


def _matrix(contract: Contract, tensor: Tensor) -> Array | None:
    """One tensor for all columns, where these travel as one matrix."""
    columns = contract.columns
    if tensor.shape[1:] != [len(columns)] or not _go_together(contract):
        return None
    found = _numbers(tensor)
    if found is None:
        return None
    fitting = all(numbers.fit(one, found[:, place]) for place, one in enumerate(columns))
    return found if fitting else None


def _frame(contract: Contract, tensors: Mapping[str, Tensor]) -> Rows | None:
    """A tensor for each column."""
    found: list[Array | list[Any]] = []
    for column in contract.columns:
        tensor = tensors[column.name]
        values = _values(column, tensor) if (tensor.shape[1:] or [1]) == [1] else None
        if values is None:
            return None
        found.append(values)
    if len({len(values) for values in found}) > 1:
        return None
    if not _go_together(contract):
        return Columns(found)
    return numbers.side_by_side([values for values in found if isinstance(values, np.ndarray)])


def _go_together(contract: Contract) -> bool:
    return matrix_dtype(contract) is not None


def _values(column: Column, tensor: Tensor) -> Array | list[Any] | None:
    """The values of a tensor that is one column."""
    kind = kind_of(tensor)
    if kind is not None and numbers.are_numbers(kind.column):
        found = _numbers(tensor)
        return found.reshape(-1) if found is not None and numbers.fit(column, found) else None
    if kind is None or not _shape_is_known(tensor) or kind.column.type not in _KINDS:
        return None
    return _others(column, kind, tensor) if column.type in _KINDS[kind.column.type] else None


def _others(column: Column, kind: Datatype, tensor: Tensor) -> list[Any] | None:
    """Values that are no numbers, as they go into `column`."""
    count = math.prod(tensor.shape)
    if tensor.binary is None:
        nullable = kind.column.nullable and column.nullable
        values = _others_from_json(replace(kind.column, nullable=nullable), tensor)
    elif kind.column.type is Type.STRING:
        values = _strings(tensor.binary)
    elif len(tensor.binary) != count:
        return None
    else:
        values = np.frombuffer(tensor.binary, dtype=kind.dtype).tolist()
    if values is None or len(values) != count:
        return None
    if column.type is kind.column.type and categories(column) is None:
        return values
    try:
        return [check(column, value) for value in values]
    except Refused:
        return None


def _others_from_json(column: Column, tensor: Tensor) -> list[Any] | None:
    if tensor.data is UNSET:
        return None
    inner = tuple(tensor.shape[1:]) if _is_nested(tensor.data) else ()
    decode = _decode(value_type(column), inner)
    if not inner:
        return texts.read(decode, tensor.data)
    return texts.read(lambda piece: [row[0] for row in decode(piece)], tensor.data)


def _strings(data: memoryview) -> list[Any] | None:
    try:
        return texts.Shared()(strings(data, ()))
    except BadInput:
        return None


def _shape_is_known(tensor: Tensor) -> bool:
    return 0 < len(tensor.shape) <= _MOST_DIMENSIONS and min(tensor.shape) > 0


def _numbers(tensor: Tensor) -> Array | None:
    """The numbers of a tensor in its shape."""
    kind = kind_of(tensor)
    shape = tensor.shape
    if kind is None or not numbers.are_numbers(kind.column) or not _shape_is_known(tensor):
        return None
    if tensor.binary is None:
        return _from_json(tensor, kind.column)
    dtype = np.dtype(kind.dtype).newbyteorder("<")
    if len(tensor.binary) != math.prod(shape) * dtype.itemsize:
        return None
    return np.frombuffer(tensor.binary, dtype=dtype).reshape(shape)


def _from_json(tensor: Tensor, column: Column) -> Array | None:
    if tensor.data is UNSET or math.prod(tensor.shape) > memoryview(tensor.data).nbytes:
        return None
    inner = tuple(tensor.shape[1:]) if _is_nested(tensor.data) else ()
    found = numbers.read(_decode(value_type(column), inner), tensor.data, column)
    if found is None or found.size != math.prod(tensor.shape):
        return None
    return found.reshape(tensor.shape)


def _is_nested(data: Raw) -> bool:
    """Whether the data is not flat; then it is nested as the shape says."""
    return bytes(memoryview(data)[:64]).translate(None, b" \t\r\n")[1:2] == b"["


@lru_cache(_KEPT)
def _decode(value: Any, shape: tuple[int, ...]) -> Callable[[Any], list[Any]]:
    for size in reversed(shape):
        value = Annotated[list[value], Meta(min_length=size, max_length=size)]
    return msgspec.json.Decoder(list[value]).decode
