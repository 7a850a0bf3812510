"""Lending the listening socket to a supervisor that takes this gateway over.

Rule 1: whoever lends the socket serves: that is how the next supervisor tells.  Rule 2: it is lent
by a thread.  When the supervisor is dead nobody else has it, and a gateway whose loop is busy could
not give it away: its port would be bound anew, and all who wait at it, or come meanwhile, refused.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque

#: Where no file can be opened it is tried again after this.
_PAUSE_SECONDS = 0.1


class Lender:
    """Hands `listener` to whoever connects to the Unix socket `at`, from `start` to `stop`."""

    def __init__(self, listener: socket.socket, at: socket.socket) -> None:
        self._listener = listener
        self._at = at
        self._bell, self._button = socket.socketpair()
        self._moves: deque[socket.socket] = deque()
        self._thread = threading.Thread(target=self._lend, name="lender", daemon=True)
        self._stopped = False

    def start(self) -> None:
        """Lend from now on, unless it was stopped before."""
        if not self._stopped:
            self._thread.start()

    def move(self, at: socket.socket) -> None:
        """Lend at another socket from now on, as nobody can find the one before."""
        if not self._thread.is_alive():  # not yet, or no more
            at, self._at = self._at, at
            at.close()
            return
        self._moves.append(at)
        self._button.send(b"\0")

    def stop(self) -> None:
        """Lend no more: who connects now is refused."""
        if self._stopped:
            return
        self._stopped = True
        self._button.close()
        if self._thread.is_alive():
            self._thread.join()
        self._bell.close()
        self._at.close()

    def _lend(self) -> None:
        with selectors.DefaultSelector() as selector:
            for ear in (self._at, self._bell):
                selector.register(ear, selectors.EVENT_READ)
            while True:
                if all(key.fileobj is not self._bell for key, _ in selector.select()):
                    self._lend_once()
                elif self._bell.recv(1):
                    selector.unregister(self._at)
                    self._at.close()
                    self._at = self._moves.popleft()
                    selector.register(self._at, selectors.EVENT_READ)
                else:
                    return

    def _lend_once(self) -> None:
        try:
            connection, _ = self._at.accept()
        except OSError:
            time.sleep(_PAUSE_SECONDS)
            return
        # A single small message into an empty buffer: it does not block.
        with connection, contextlib.suppress(OSError):  # it has gone again
            socket.send_fds(connection, [b"listener"], [self._listener.fileno()])
