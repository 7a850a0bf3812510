"""The connection to one replica: it is made again and again for as long as the replica is wanted.

Rule: a link knows frames and nothing of requests; whoever owns it is told of three things:
it is up, a frame came, it is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from typing import Protocol, cast

from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.wire.board import Board, board_of
from jupyter_deploy.wire.frames import Frame, FrameReader, Kind, WireError, pack_frame

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_CONNECT_SECONDS = 5.0


class LinkOwner(Protocol):
    """Who is told what happens on a link."""

    def link_up(self, link: ReplicaLink) -> None:
        """The replica can be given work."""

    def link_frame(self, link: ReplicaLink, frame: Frame) -> None:
        """The replica has answered."""

    def link_down(self, link: ReplicaLink) -> None:
        """The connection is gone, with whatever was in flight."""


class ReplicaLink(asyncio.Protocol):
    """One replica's socket.

    `draining` says that it gets no more work; it closes when what is in flight has ended.  `warm`
    says that it has answered: a first call may take a hundred times as long as the next ones.
    """

    def __init__(self, route: ReplicaRoute, owner: LinkOwner, log: Log) -> None:
        self.replica_id = route.replica_id
        self.connected = False
        self.draining = False
        self.warm = False
        self._path = route.socket
        self._board: Board | None = None
        self._busy_before = 0.0
        self._owner = owner
        self._log = log
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        # Other gateways, and the one before, send to the same replica: no two frames have one id.
        self._frame_id = secrets.randbits(62)
        self._try_now = asyncio.Event()
        self._down = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._stay_connected())

    def send(self, payload: bytes) -> int:
        """Send a PREDICT frame; the answer's id is returned."""
        assert self._transport is not None, "only a connected link gets work"
        self._frame_id += 1
        self._transport.write(pack_frame(Kind.PREDICT, self._frame_id, payload))
        return self._frame_id

    @property
    def taken(self) -> bool:
        """Whether the replica is at work, although we have nothing there."""
        return self._board is not None and self._board.frame_id != 0

    def has_begun(self, frame_id: int) -> bool:
        """Whether the replica works on this frame of ours, or did when it died."""
        return self._board is None or self._board.frame_id == frame_id

    def busy_seconds(self, now: float) -> float:
        """How long the replica has been at work for all gateways since we know it."""
        if self._board is None:
            return 0.0
        return self._board.busy_seconds(now) - self._busy_before

    def hurry(self) -> None:
        """Try to connect now instead of after the pause."""
        self._try_now.set()

    def close(self) -> None:
        """End the connection and do not make it again."""
        self._task.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._board is not None:
            # It has a file open, and a link is part of cycles, which are collected late.
            self._board.close()
            self._board = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The replica has accepted."""
        self._transport = cast("asyncio.Transport", transport)
        self._reader = FrameReader()
        self.connected = True
        self._look()
        self._owner.link_up(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the replica."""
        try:
            frames = self._reader.feed(data)
        except WireError as error:
            self._log.warning("replica sent no frame", replica=self.replica_id, error=str(error))
            self._abort()
            return
        for frame in frames:
            self._owner.link_frame(self, frame)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The replica has gone, or we have closed."""
        self.connected = False
        self._transport = None
        self._down.set()
        self._owner.link_down(self)

    def _look(self) -> None:
        # That of an earlier process at the same socket says nothing of this one; a replica of an
        # earlier release, or one whose disk was full, has none.
        self._board = None
        with contextlib.suppress(OSError):
            self._board = Board.look(board_of(self._path))
            self._busy_before = self._board.busy_seconds(time.monotonic())

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _stay_connected(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            if await self._connect():
                pause = _FIRST_PAUSE
                await self._down.wait()
            await self._pause(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connect(self) -> bool:
        self._down.clear()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.create_unix_connection(lambda: self, self._path)
        except OSError:  # also a timeout
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        self._try_now.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._try_now.wait()
        except TimeoutError:
            return


def taken_last(idle: deque[ReplicaLink]) -> int:
    """Put replicas that work for other gateways behind those that are idle; how many they are.

    They get a frame all the same where there are no others: it waits in the replica then, in turn
    with those of the other gateways.
    """
    taken = [link for link in idle if link.taken]
    for link in taken:
        idle.remove(link)
    idle.extend(taken)
    return len(taken)
