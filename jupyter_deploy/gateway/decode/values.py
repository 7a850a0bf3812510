"""One value held against one column: the rules of what fits.

A value is never bent: text is no number, `true` is no 1, and a number that the column's dtype
cannot hold is refused.  An integer may be written as 1.0 (arrays of mixed columns come that way),
and a float as 1.  What comes back is the value as it goes into an array; a time comes back as
nanoseconds since the epoch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from jupyter_deploy.core.contract import Column, Tensor, Type
from jupyter_deploy.gateway.decode.times import nanoseconds

#: The largest value of each narrow float; float64 holds all that a parser gives.
FLOAT_LIMITS = {"float16": 65504.0, "float32": 3.4028234663852886e38}
_INTEGER = re.compile(r"(u?)int(8|16|32|64)", re.IGNORECASE)
_CATEGORIES_SHOWN = 10
#: Whoever writes or reads a value later does so with a function that calls itself.
_DEEPEST = 64


class Refused(Exception):
    """A value does not fit: what was expected, and what kind of value came."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got


def element(tensor: Tensor) -> Column:
    """The elements of a tensor as a column without a name."""
    return Column("", tensor.type, tensor.dtype, nullable=tensor.nullable)


def check(column: Column, value: object) -> object:
    """`value` as it goes into the array of `column`.  Raises Refused."""
    if value is None:
        if column.nullable:
            return None
        raise Refused(expected(column), "null")
    return _CHECKS[column.type](column, value)


def check_nested(value: object, depth: int = 0) -> None:
    """Raises Refused unless `value` can be passed on as JSON: finite, and not nested too deeply."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("number", "number out of range")
    if not isinstance(value, list | dict):
        return
    if depth == _DEEPEST:
        raise Refused(f"at most {_DEEPEST} levels of nesting", "more")
    for item in value.values() if isinstance(value, dict) else value:
        check_nested(item, depth + 1)


def kind(value: object) -> str:
    """What a JSON value is, in JSON's words; never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list | tuple) else "object"


def expected(column: Column) -> str:
    """What a column takes, in words that hold nothing but the contract."""
    words = _words(column)
    return f"{words} or null" if column.nullable else words


def integer_range(dtype: str) -> tuple[int, int]:
    """The smallest and the largest integer of `dtype`; those of int64 for any other dtype."""
    match = _INTEGER.fullmatch(dtype)
    bits = int(match[2]) if match else 64
    if match and match[1]:
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def integer_dtype(dtype: str) -> str:
    """The NumPy dtype for the integers of `dtype`: int64 where it is none of integers."""
    return dtype.lower() if _INTEGER.fullmatch(dtype) else "int64"


def categories(column: Column) -> tuple[str, ...] | None:
    """The only values that a column takes, where it is closed."""
    closed = column.closed and column.type is Type.STRING
    return column.categories or None if closed else None


def _words(column: Column) -> str:
    allowed = categories(column)
    if allowed is not None:
        shown = ", ".join(allowed[:_CATEGORIES_SHOWN])
        return f"one of {shown}{', …' if len(allowed) > _CATEGORIES_SHOWN else ''}"
    if column.type is Type.INTEGER and _INTEGER.fullmatch(column.dtype):
        low, high = integer_range(column.dtype)
        return "integer" if high == 2**63 - 1 else f"integer from {low} to {high}"
    return {Type.FLOAT: "number", Type.DATETIME: "date and time (ISO 8601)"}.get(
        column.type, str(column.type)
    )


def _integer(column: Column, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(expected(column), kind(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(expected(column), "number out of range")
    if isinstance(value, float) and not value.is_integer():
        raise Refused(expected(column), "number with a fraction")
    low, high = integer_range(column.dtype)
    if not low <= value <= high:
        raise Refused(expected(column), "number out of range")
    return int(value)


def _float(column: Column, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(expected(column), kind(value))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not abs(number) <= FLOAT_LIMITS.get(column.dtype.lower(), 1.7976931348623157e308):
        raise Refused(expected(column), "number out of range")
    return number


def _boolean(column: Column, value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(expected(column), kind(value))
    return value


def _string(column: Column, value: object) -> str:
    if not isinstance(value, str):
        raise Refused(expected(column), kind(value))
    allowed = categories(column)
    if allowed is not None and value not in allowed:
        raise Refused(expected(column), "another string")
    return value


def _datetime(column: Column, value: object) -> int:
    if not isinstance(value, str):
        raise Refused(expected(column), kind(value))
    try:
        return nanoseconds(value)
    except ValueError as error:
        raise Refused(expected(column), "string that is no date and time") from error
    except OverflowError as error:
        raise Refused(expected(column), "time out of range") from error


def _any(_column: Column, value: object) -> object:
    check_nested(value)
    return value


_CHECKS: dict[Type, Callable[[Column, object], object]] = {
    Type.INTEGER: _integer,
    Type.FLOAT: _float,
    Type.BOOLEAN: _boolean,
    Type.STRING: _string,
    Type.DATETIME: _datetime,
    Type.OBJECT: _any,
}
