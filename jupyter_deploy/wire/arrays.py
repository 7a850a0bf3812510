"""Arrays as bytes, without pickle.

    u8 code | u8 dimensions | u32 size of each dimension ... | u32 length | data

Numbers, booleans and datetimes travel as their memory (C order, little-endian); strings, missing
strings and nested values travel as one JSON list, because both ends then work in compiled code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_CODES = ("<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "|b1",
          "<M8[ns]")  # fmt: skip
_CODE_OF = {np.dtype(name): code for code, name in enumerate(_CODES)}
_DTYPES = tuple(np.dtype(name) for name in _CODES)
_JSON = 255
_LENGTH = struct.Struct("<I")
_HEAD = struct.Struct("<BB")


def pack_arrays(arrays: Sequence[Array]) -> bytes:
    """The bytes of `arrays`.

    An array of objects or strings is sent as JSON: its values must be strings, numbers, booleans,
    None or lists of these.  Raises TypeError for others.
    """
    return b"".join([_LENGTH.pack(len(arrays)), *(_pack(array) for array in arrays)])


def unpack_arrays(data: memoryview) -> list[Array]:
    """The arrays in `data`, read-only views of it where they are numbers.  Raises ValueError."""
    try:
        return _unpack_all(data)
    except (struct.error, IndexError, TypeError, RecursionError) as error:
        raise ValueError("not arrays") from error


def _unpack_all(data: memoryview) -> list[Array]:
    (count,) = _LENGTH.unpack_from(data, 0)
    offset = _LENGTH.size
    arrays = []
    for _ in range(count):
        array, offset = _unpack(data, offset)
        arrays.append(array)
    return arrays


def _pack(array: Array) -> bytes:
    code = _CODE_OF.get(array.dtype, _JSON)
    data = (
        json.dumps(array.tolist(), separators=(",", ":")).encode()
        if code == _JSON
        else array.tobytes()
    )
    shape = struct.pack(f"<{array.ndim}I", *array.shape)
    return b"".join([_HEAD.pack(code, array.ndim), shape, _LENGTH.pack(len(data)), data])


def _unpack(data: memoryview, offset: int) -> tuple[Array, int]:
    code, dimensions = _HEAD.unpack_from(data, offset)
    offset += _HEAD.size
    shape = struct.unpack_from(f"<{dimensions}I", data, offset)
    offset += 4 * dimensions
    (length,) = _LENGTH.unpack_from(data, offset)
    offset += _LENGTH.size
    chunk = data[offset : offset + length]
    if code == _JSON:
        return _objects(json.loads(bytes(chunk)), shape), offset + length
    return np.frombuffer(chunk, dtype=_DTYPES[code]).reshape(shape), offset + length


def _objects(values: Any, shape: tuple[int, ...]) -> Array:
    if shape and len(values) != shape[0]:
        raise ValueError(f"{len(values)} values for {shape[0]} rows")
    array = np.empty(shape, dtype=object)
    if array.ndim == 0:
        array[()] = values
    elif array.ndim == 1:
        # Element by element: NumPy would make a matrix of lists of equal length.
        for index, value in enumerate(values):
            array[index] = value
    else:
        array[...] = values
    return array
