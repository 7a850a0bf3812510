"""Frames: how two processes of ours talk over a Unix socket.

    u32 length of what follows | u8 kind | u64 id | payload

Little-endian.  The side that connects sends requests and chooses ids; the replica answers each
with one frame of the same id, in any order.  Frames carry arrays and JSON, never pickles: what a
caller sent is data on both sides of this socket.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct("<IBQ")
#: A frame longer than this is an error of the other side, not a large request.
MAX_FRAME_BYTES = 1 << 31


class Kind(IntEnum):
    """What a frame is."""

    HEARTBEAT = 1
    """Request.  Travels the queue that serves predictions.  Payload: nothing."""
    ALIVE = 2
    """Answer to HEARTBEAT.  Payload: JSON {"pid", "rss_bytes", "served", "load_seconds"}."""
    PREDICT = 3
    """Request.  Payload: `messages.pack_request`."""
    PREDICTED = 4
    """Answer to PREDICT.  Payload: `messages.pack_answer`."""
    FAILED = 5
    """Answer to PREDICT.  Payload: JSON {"type", "message", "trace"}: the model raised."""
    EXPIRED = 6
    """Answer to PREDICT: its deadline had passed before the model was called.  No payload."""


_KINDS = frozenset(Kind)


class Frame(NamedTuple):
    """One frame, as read."""

    kind: Kind
    id: int
    payload: memoryview


class WireError(Exception):
    """The other side sent what is no frame."""


def pack_frame(kind: Kind, frame_id: int, payload: bytes = b"") -> bytes:
    """The bytes of one frame."""
    return HEADER.pack(len(payload) + HEADER.size - 4, kind, frame_id) + payload


class FrameReader:
    """Cuts a stream of bytes into frames: `feed` it what arrives, get the frames that are whole."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.  Raises WireError."""
        self._buffer += data
        frames = []
        start = 0
        while (frame := self._frame_at(start)) is not None:
            frames.append(frame)
            start += HEADER.size + len(frame.payload)
        if start:
            # The frames hold copies, so that the buffer can be cut here.
            del self._buffer[:start]
        return frames

    def _frame_at(self, start: int) -> Frame | None:
        if len(self._buffer) - start < HEADER.size:
            return None
        length, kind, frame_id = HEADER.unpack_from(self._buffer, start)
        size = length - (HEADER.size - 4)
        if not 0 <= size <= MAX_FRAME_BYTES or kind not in _KINDS:
            raise WireError(f"not a frame: kind {kind}, {size} bytes")
        begin = start + HEADER.size
        if len(self._buffer) - begin < size:
            return None
        return Frame(Kind(kind), frame_id, memoryview(bytes(self._buffer[begin : begin + size])))
