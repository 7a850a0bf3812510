"""Frames for tests that talk to a replica by themselves."""

from __future__ import annotations

import socket

from jupyter_deploy.wire.frames import Frame, FrameReader


def receive_frame(connection: socket.socket, reader: FrameReader) -> Frame | None:
    """Block until one frame is there; None when the other side has closed."""
    while True:
        data = connection.recv(1 << 18)
        if not data:
            return None
        frames = reader.feed(data)
        if frames:
            assert len(frames) == 1, "one request at a time"
            return frames[0]
