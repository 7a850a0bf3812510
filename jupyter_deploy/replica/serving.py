"""The loop of a replica: sockets in, frames through the model, answers out.

Rule 1: one thread; the model is called by one frame at a time, in order of arrival, and heartbeats
wait in the same queue, so that a heartbeat that is answered means that predictions are.  Rule 2: a
connection that breaks, or sends what is no frame, costs only itself.  Rule 3: nobody can make this
process hold without bound: frames are not read while `MAX_WAITING` wait, nor from a peer that does
not take its answers.  Rule 4: one that is told to end goes on until its gateways have gone: they
may be ending too, and have nobody else to ask.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from jupyter_deploy.wire.frames import Frame, FrameReader, Kind, WireError, pack_frame

MAX_WAITING = 1024
MAX_UNSENT_BYTES = 64 << 20
_RECEIVE_BYTES = 1 << 18

#: Answers one frame that arrived at a time (monotonic, seconds): the answer's kind and payload.
Handler = Callable[[Frame, float], tuple[Kind, bytes]]


@dataclass(eq=False, slots=True)
class _Peer:
    """One connection.  `unsent` is what its socket would not take yet."""

    socket: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    unsent: bytearray = field(default_factory=bytearray)
    open: bool = True
    leaving: bool = False
    #: Which kinds of frames it has sent.
    kinds: set[Kind] = field(default_factory=set)

    @property
    def is_gateway(self) -> bool:
        """Whether it predicts for callers: the supervisor sends heartbeats too."""
        return self.kinds == {Kind.PREDICT}

    def interest(self) -> int:
        """What to wait for on this socket."""
        if self.leaving or len(self.unsent) >= MAX_UNSENT_BYTES:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)


class Server:
    """Serves `handler` on `listener`, until `stop` is called.  Owns the listener."""

    def __init__(
        self, listener: socket.socket, handler: Handler, clock: Callable[[], float]
    ) -> None:
        self._listener = listener
        self._handler = handler
        self._clock = clock
        self._waiting: deque[tuple[_Peer, Frame, float]] = deque()
        self._peers: set[_Peer] = set()
        self._selector = selectors.DefaultSelector()
        self._bell, self._button = socket.socketpair()
        self._stopping = False
        self._linger_seconds = 0.0
        self._until: float | None = None

    def stop(self) -> None:
        """End `run` as soon as no gateway is connected.  Safe in a signal handler."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._button.send(b"\0")

    def run(self, drain_seconds: float, linger_seconds: float) -> None:
        """Serve until `stop`, and then for as long as gateways ask, `linger_seconds` at most.

        What is answered by then is sent, for `drain_seconds` at most.
        """
        self._linger_seconds = linger_seconds
        for ear in (self._listener, self._bell):
            ear.setblocking(False)  # noqa: FBT003 - the standard library has it so
            self._selector.register(ear, selectors.EVENT_READ)
        while not self._over():
            self._poll(0.0 if self._waiting else self._left())
            if self._waiting:
                self._answer(*self._waiting.popleft())
        self._drain(self._clock() + drain_seconds)
        self._close()

    def _over(self) -> bool:
        if not self._stopping:
            return False
        if self._until is None:
            self._until = self._clock() + self._linger_seconds
        asked = bool(self._waiting) or any(peer.is_gateway for peer in self._peers)
        return not asked or self._clock() >= self._until

    def _left(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - self._clock())

    def _poll(self, timeout: float | None) -> None:
        if len(self._waiting) >= MAX_WAITING:
            return
        for key, events in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._bell:
                self._bell.recv(1)
            else:
                self._serve_events(key.data, events)

    def _serve_events(self, peer: _Peer, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(peer)
        if events & selectors.EVENT_READ and peer.open:
            self._receive(peer)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again, or no descriptor free: it is accepted in a later round
            return
        connection.setblocking(False)  # noqa: FBT003 - the standard library has it so
        peer = _Peer(connection)
        self._peers.add(peer)
        self._selector.register(connection, peer.interest(), peer)

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.socket.recv(_RECEIVE_BYTES)
            frames = peer.reader.feed(data)
        except BlockingIOError:
            return
        except (OSError, WireError):
            self._drop(peer)
            return
        if not data or any(frame.kind not in (Kind.HEARTBEAT, Kind.PREDICT) for frame in frames):
            self._drop(peer)
            return
        peer.kinds.update(frame.kind for frame in frames)
        arrived = self._clock()
        self._waiting.extend((peer, frame, arrived) for frame in frames)

    def _answer(self, peer: _Peer, frame: Frame, arrived: float) -> None:
        if not peer.open:
            return
        kind, payload = self._handler(frame, arrived)
        peer.unsent += pack_frame(kind, frame.id, payload)
        self._send(peer)

    def _send(self, peer: _Peer) -> None:
        try:
            while peer.unsent:
                sent = peer.socket.send(memoryview(peer.unsent)[: 1 << 20])
                del peer.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)
            return
        self._settle(peer)

    def _drop(self, peer: _Peer) -> None:
        peer.open = False
        self._peers.discard(peer)
        self._selector.unregister(peer.socket)
        peer.socket.close()

    def _drain(self, until: float) -> None:
        for ear in (self._listener, self._bell):
            self._selector.unregister(ear)
        for peer in list(self._peers):
            peer.leaving = True
            self._settle(peer)
        while self._peers and (left := until - self._clock()) > 0:
            for key, _ in self._selector.select(left):
                self._send(key.data)

    def _settle(self, peer: _Peer) -> None:
        """Wait for what this peer can do next; a peer that is owed nothing may leave."""
        if peer.leaving and not peer.unsent:
            self._drop(peer)
        else:
            self._selector.modify(peer.socket, peer.interest(), peer)

    def _close(self) -> None:
        for peer in list(self._peers):
            peer.socket.close()
        for ear in (self._listener, self._bell, self._button):
            ear.close()
        self._selector.close()
