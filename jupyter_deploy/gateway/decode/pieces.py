"""A long JSON array, read a piece at a time.

A decoder holds the interpreter until it is done, 100 ms for 25 MB, and all small requests wait.
Between two pieces they have their turn.

Rule: whatever is cut and read is what the whole would have given.  An array is cut where one row
seems to end and the next to begin.  If that was in a text or deeper down, the piece before it is no
JSON, because something stays open in it: it is read with what follows.  Where no row stands between
two commas, it is an empty array, and the whole is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")
#: What reading raises when in doubt.
FAILURES = (msgspec.DecodeError, RecursionError, ValueError)

#: Shorter arrays are read at once.
LONG_BYTES = 100_000
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
    except FAILURES:
        return decode(data)
    return rows


def each(decode: Callable[[bytes], T], data: Raw | bytes, least: int | None = None) -> Iterator[T]:
    """What `decode` makes of each piece of `least` bytes or more, if that is true.

    Raises what it raises of a piece that is an array, and ValueError where `data` is none.
    """
    cut = Pieces(data, PIECE_BYTES if least is None else least)
    for piece in cut:
        try:
            rows = decode(piece)
        except FAILURES:
            if is_array(piece):
                raise
            cut.longer()
            continue
        if not rows:
            raise ValueError("there is a comma too many")
        yield rows


def is_array(piece: bytes) -> bool:
    """Whether `piece` is JSON by itself: it was cut between two rows."""
    try:
        return bool(msgspec.json.decode(piece, type=list[Raw]))
    except (msgspec.DecodeError, RecursionError):
        return False


class Pieces(Iterator[bytes]):
    """The array `data` as shorter ones of `least` bytes, if its rows are where they seem to be."""

    def __init__(self, data: Raw | bytes, least: int) -> None:
        self._view = memoryview(data)
        self._between, self._closing, self._opening = _between(self._view)
        self._start = 0
        self._next: int | None = 0
        self._usual = self._least = least

    def __next__(self) -> bytes:
        if self._next is None:
            raise StopIteration
        view, start = self._view, self._next
        head = b"[" if start else b""
        found = self._between and self._between.search(view, start + self._least)
        if found is None:
            end, tail, self._next = len(view), b"", None
        else:
            end, tail, self._next = found.start() + self._closing, b"]", found.end() - self._opening
        self._start, self._least = start, self._usual
        self._length = end - start
        return b"".join((head, view[start:end], tail))

    def longer(self) -> None:
        """The last piece was cut amid a row: the next one begins there and is twice as long.

        Raises ValueError when nothing follows: the array is not JSON.
        """
        if self._next is None:
            raise ValueError("the array is not JSON")
        self._next, self._least = self._start, 2 * self._length


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
