"""Long tensors of numbers: read without a Python value for each of them.

Rule: what comes out is what `v2` makes of the values one by one; None says that it has to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta

from jupyter_deploy.core.contract import Column, Contract, Form
from jupyter_deploy.gateway.columns import float_dtype
from jupyter_deploy.gateway.decode import numbers
from jupyter_deploy.gateway.decode.frames import value_type
from jupyter_deploy.gateway.decode.rows import Rows
from jupyter_deploy.gateway.decode.values import element
from jupyter_deploy.gateway.v2_tensors import Tensor, kind_of
from jupyter_deploy.wire.arrays import Array

_MOST_DIMENSIONS = 8
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
    found: list[Array] = []
    for column in contract.columns:
        tensor = tensors[column.name]
        if (tensor.shape[1:] or [1]) != [1]:
            return None
        values = _numbers(tensor)
        if values is None or not numbers.fit(column, values):
            return None
        found.append(values.reshape(-1))
    if len({len(values) for values in found}) > 1:
        return None
    if _go_together(contract):
        return numbers.side_by_side(found)
    return list(zip(*(values.tolist() for values in found), strict=True))


def _go_together(contract: Contract) -> bool:
    dtypes = {float_dtype(column) for column in contract.columns}
    return len(dtypes) == 1 and None not in dtypes


def _numbers(tensor: Tensor) -> Array | None:
    """The numbers of a tensor in its shape."""
    kind = kind_of(tensor)
    shape = tensor.shape
    if kind is None or not numbers.are_numbers(kind.column):
        return None
    if not 0 < len(shape) <= _MOST_DIMENSIONS or min(shape) <= 0:
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
    # Flat, or nested as the shape says.
    is_nested = bytes(memoryview(tensor.data)[:64]).translate(None, b" \t\r\n")[1:2] == b"["
    inner = tuple(tensor.shape[1:]) if is_nested else ()
    found = numbers.read(_decode(value_type(column), inner), tensor.data, column)
    if found is None or found.size != math.prod(tensor.shape):
        return None
    return found.reshape(tensor.shape)


@lru_cache(_KEPT)
def _decode(value: Any, shape: tuple[int, ...]) -> Callable[[Any], list[Any]]:
    for size in reversed(shape):
        value = Annotated[list[value], Meta(min_length=size, max_length=size)]
    return msgspec.json.Decoder(list[value]).decode
