"""Lists of objects that all have the same members, as tuples, in compiled code.

Rule: parsers keep the last of two members of one name, and so members are counted: what may hold
one twice raises ValueError, and the careful pass finds out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from jupyter_deploy.gateway.decode import pieces

Reader = Callable[[Raw | bytes], list[tuple[Any, ...]]]
_KEY_AND_SPACE = re.compile(rb'"[ \t\r\n]+:')
_members = msgspec.json.Decoder(list[dict[str, Raw]])
_astuple = msgspec.structs.astuple


def record_reader(types: Mapping[str, Any]) -> Reader | None:
    """Reads objects with exactly these members, in this order; None where msgspec cannot."""
    fields = [(f"f{index}", kind) for index, kind in enumerate(types.values())]
    rename = {f"f{index}": name for index, name in enumerate(types)}
    try:
        record = msgspec.defstruct("Record", fields, rename=rename, forbid_unknown_fields=True)
    except ValueError:  # a name that msgspec cannot look for: it holds a quote or a backslash
        return None
    decoder = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]

    def read(data: Raw | bytes) -> list[tuple[Any, ...]]:
        rows = decoder.decode(data)
        check_keys(bytes(data), len(rows) * len(types))
        return [_astuple(row) for row in rows]

    return read


def names_of_first(data: Raw) -> list[str] | None:
    """The names of the first object's members, in its order; None when in doubt."""
    try:
        records = next(pieces.each(_members.decode, data, least=0))
    except pieces.FAILURES:
        return None
    return list(records[0])


def check_keys(data: bytes, expected: int) -> None:
    """Raises ValueError unless `data` has as many keys as expected, so that none stands twice.

    All keys are required and none is unknown, so that one more than these is a second one.  A text
    that holds `":` looks like a key too: then the careful pass finds out.
    """
    if data.count(b'":') != expected or _KEY_AND_SPACE.search(data):
        raise ValueError("a key may stand twice")
