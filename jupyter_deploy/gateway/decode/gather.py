"""A long array read a piece at a time: in compiled code, and value by value where that is in doubt.

Rule: what is wrong, or only unusual, costs the piece that it stands in and not the whole body, and
nobody looks further where enough is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Raw

from jupyter_deploy.errors import BadInput
from jupyter_deploy.gateway.decode import pieces
from jupyter_deploy.gateway.decode.envelope import plain
from jupyter_deploy.gateway.decode.faults import Faults
from jupyter_deploy.gateway.decode.frames import IN_DOUBT
from jupyter_deploy.gateway.memory import AT_ONCE, LOOKED_AT, check_room

T = TypeVar("T")
#: There was nowhere to cut a piece that is longer.
_UNCUT_BYTES = 1_000_000
#: Takes a piece, and says how many rows it has.  Raises one of IN_DOUBT.
Fast = Callable[[bytes], int]
#: Takes the plain values of a piece whose first row has this number; ValueError is for the whole.
Slow = Callable[[list[Any], int], None]


def gather(data: Raw, fast: Fast, slow: Slow, faults: Faults) -> int:
    """Give each piece to `fast`, or else to `slow`, which adds to `faults`; the number of rows.

    Raises BadInput, ShortOfMemory, and ValueError when the array has to be looked at as a whole.
    """
    count = 0

    def read(piece: bytes) -> int:
        uncut = len(piece) > _UNCUT_BYTES
        if uncut:
            check_room(AT_ONCE * len(piece))
        try:
            return fast(piece)
        except IN_DOUBT:
            if not pieces.is_array(piece):
                raise
        if uncut:
            check_room(LOOKED_AT * len(piece))
        values = plain(piece)
        slow(values, count)
        return len(values)

    for rows in pieces.each(read, data):
        count += rows
        if faults.are_enough():
            break
    return count


def unless_in_doubt(read: Callable[[], T]) -> T | None:
    """What `read` gives; None when the array has to be looked at as a whole."""
    try:
        return read()
    except BadInput:  # a ValueError, too
        raise
    except IN_DOUBT:
        return None
