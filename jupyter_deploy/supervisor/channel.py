"""One connection of the supervisor to a replica: heartbeats, and the sample when it is proven.

Rule: every request has a deadline; after a request that failed the connection is not used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.wire.frames import Frame, FrameReader, Kind, WireError, pack_frame

_READ_BYTES = 1 << 18
#: The whole sample is one request, and may take longer than one of a caller.
SAMPLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a replica says of itself."""

    pid: int
    rss_bytes: int
    served: int


class Channel:
    """Requests to the replica that listens at `socket`, one at a time."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._last_id = 0

    async def pulse(self, seconds: float | None = None) -> Pulse:
        """Its answer to a heartbeat, however late without `seconds`.

        Raises OSError (TimeoutError is one), also where only those who are connected reach it:
        the next gateway would find nobody.
        """
        if not self._can_be_found():
            raise OSError("its socket has been removed")
        frame = await self.ask(Kind.HEARTBEAT, b"", seconds)
        try:
            said = json.loads(bytes(frame.payload))
            return Pulse(int(said["pid"]), int(said["rss_bytes"]), int(said["served"]))
        except (ValueError, KeyError, TypeError) as error:
            raise OSError("not a heartbeat") from error

    def _can_be_found(self) -> bool:
        return Path(self.socket).exists()

    async def ask(self, kind: Kind, payload: bytes, seconds: float | None) -> Frame:
        """The frame that answers.  Raises OSError (TimeoutError is one)."""
        try:
            async with asyncio.timeout(seconds), self._lock:
                return await self._exchange(kind, payload)
        except (OSError, EOFError, WireError, asyncio.CancelledError) as error:
            self.close()
            if isinstance(error, OSError | asyncio.CancelledError):
                raise
            raise OSError(str(error) or "the replica has closed the connection") from error

    async def _exchange(self, kind: Kind, payload: bytes) -> Frame:
        if self._streams is None:
            self._reader = FrameReader()
            self._streams = await asyncio.open_unix_connection(self.socket, limit=1 << 20)
        reader, writer = self._streams
        self._last_id += 1
        writer.write(pack_frame(kind, self._last_id, payload))
        await writer.drain()
        while not self._frames:
            data = await reader.read(_READ_BYTES)
            if not data:
                raise EOFError
            self._frames.extend(self._reader.feed(data))
        return self._frames.popleft()

    def close(self) -> None:
        """Close the connection; the next request makes a new one."""
        streams, self._streams = self._streams, None
        self._frames.clear()
        if streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                streams[1].close()
