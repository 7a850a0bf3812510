"""What a replica is at, for whoever looks: one small file that it writes and others map.

    u64 id of the frame that it works on, 0 for none | f64 since when | f64 seconds at work before

Several gateways send frames to one replica, and each sees only its own.  The board tells a gateway
that a replica is at work for another, that a frame of its own had not been begun when the replica
died, and how long the replica has been at work in all.  Times are of the monotonic clock, which all
processes share.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

_ID, _TIMES, _ALL = struct.Struct("=Q"), struct.Struct("=dd"), struct.Struct("=Qdd")


class Board:
    """The board at a path, of which the replica is the only writer."""

    def __init__(self, descriptor: int, access: int) -> None:
        self._map = mmap.mmap(descriptor, _ALL.size, access=access)
        self._busy = 0.0
        self._since = 0.0

    @classmethod
    def make(cls, path: Path) -> Board:
        """A new board (0600), in place of one that others may still look at.  Raises OSError."""
        draft = path.with_name(f"{path.name}~")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Written, not only made longer: a full disk is an error here, and no signal later.
            os.write(descriptor, bytes(_ALL.size))
            board = cls(descriptor, mmap.ACCESS_WRITE)
        finally:
            os.close(descriptor)
        draft.replace(path)
        return board

    @classmethod
    def look(cls, path: Path) -> Board:
        """The board of another process.  Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(descriptor, mmap.ACCESS_READ)
        except ValueError as error:  # it is too short
            raise OSError(f"{path} is no board") from error
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Look no more: it is of no use then."""
        self._map.close()

    def begin(self, frame_id: int, now: float) -> None:
        """The replica begins with a frame."""
        self._since = now
        _TIMES.pack_into(self._map, _ID.size, now, self._busy)
        _ID.pack_into(self._map, 0, frame_id)

    def end(self, now: float) -> None:
        """The replica has done with it."""
        self._busy += now - self._since
        _ID.pack_into(self._map, 0, 0)
        _TIMES.pack_into(self._map, _ID.size, now, self._busy)

    @property
    def frame_id(self) -> int:
        """The frame that the replica works on, or had begun when it died; 0 for none."""
        found: int = _ID.unpack_from(self._map)[0]
        return found

    def busy_seconds(self, now: float) -> float:
        """How long the replica has been at work in all."""
        frame_id, since, before = _ALL.unpack_from(self._map)
        return float(before + (now - since if frame_id else 0.0))


def board_of(socket: str) -> Path:
    """Where the replica that listens at `socket` has its board."""
    return Path(socket).with_suffix(".work")
