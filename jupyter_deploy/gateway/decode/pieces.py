"""A long JSON array, read a piece at a time.

A decoder holds the interpreter until it is done, 100 ms for 25 MB, and all small requests wait.
Between two pieces they have their turn.

Rule: whatever is cut and read is what the whole would have given.  An array is cut where one row
seems to end and the next to begin.  If that was in a text or deeper down, the piece before it is no
JSON, because something stays open in it; where no row stands between two commas, it is an empty
array.  Then the array is read whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

#: Shorter arrays are read at once.
LONG_BYTES = 1_000_000
#: About a millisecond's work.
PIECE_BYTES = 250_000
#: How an array begins: its own bracket, and those of its first row, or the quote of a text.
_BEGIN = re.compile(rb'\[\s*([\[{]+|"?)')
_MIRROR = bytes.maketrans(b"[{", b"]}")
#: The first row ends within this, or the array is not cut.
_FIRST_ROW_BYTES = 1 << 16


def read(decode: Callable[[Raw | bytes], list[T]], data: Raw | bytes) -> list[T]:
    """What `decode` makes of the array `data`.  Raises what it raises."""
    if memoryview(data).nbytes < LONG_BYTES:
        return decode(data)
    rows: list[T] = []
    try:
        for some in each(decode, data):
            rows += some
    except (msgspec.DecodeError, ValueError):
        return decode(data)
    return rows


def each(decode: Callable[[Raw | bytes], list[T]], data: Raw | bytes) -> Iterator[list[T]]:
    """What `decode` makes of each piece.  Raises what it raises, and ValueError for one of none."""
    for piece in pieces(data):
        rows = decode(piece)
        if not rows:
            raise ValueError("there is a comma too many")
        yield rows


def pieces(data: Raw | bytes) -> Iterator[bytes]:
    """The array as shorter ones, if its rows all are where they seem to be."""
    view = memoryview(data)
    between, closing, opening = _between(view)
    start, head = 0, b""
    while between is not None and (found := between.search(view, start + PIECE_BYTES)):
        yield b"".join((head, view[start : found.start() + closing], b"]"))
        start, head = found.end() - opening, b"["
    yield b"".join((head, view[start:]))


def _between(view: memoryview) -> tuple[re.Pattern[bytes] | None, int, int]:
    """What stands between two rows, and how many of its bytes belong to either."""
    begin = _BEGIN.match(view)
    if begin is None:
        return None, 0, 0
    opening = begin[1]
    closing = opening.translate(_MIRROR)[::-1]
    comma = re.compile(re.escape(closing) + rb"\s*,\s*" + re.escape(opening))
    first = comma.search(view, begin.end(), _FIRST_ROW_BYTES)
    # The very bytes, as this writer puts them, are found faster than a pattern.
    found = None if first is None else re.compile(re.escape(first[0]))
    return found, len(closing), len(opening)
