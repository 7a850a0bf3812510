"""Records that several processes read and change: one file, mapped by each of them.

    u64 number of records | padding | record, record, ...
    record: SHA-256 of its name | u8 which of the two states holds | padding | state 0 | state 1
    state: two doubles

Rule 1: a record is changed under a lock of the kernel's, which ends with its holder.  Rule 2: the
new state is written beside the old one, and one byte makes it hold: whoever is killed in between
has changed nothing.  Rule 3: a record is never removed; each takes
72 bytes.

pthread's robust mutexes would cost less than `lockf` (2 µs), but macOS has none, and Python no way
to them; LMDB costs more, and locks all records together.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

State = tuple[float, float]

_COUNT = struct.Struct("=Q")
_STATE = struct.Struct("=dd")
_SIZE = _STATE.size
_NAME = 32
_HOLDS, _STATES, _RECORD = 32, 40, 72
_HEAD = 64
_GROWTH = 1 << 16
#: Others hold a lock for microseconds.  One that was stopped meanwhile is not waited for: to count
#: beside it may let one request too many through, to wait would end all.
_PATIENCE_SECONDS = 0.1
_NAP_SECONDS = 5e-5
_TRY = fcntl.LOCK_EX | fcntl.LOCK_NB


class Records:
    """The records in `path`, which is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._places: dict[bytes, int] = {}
        self._stuck: set[int] = set()
        with self._all_locked():
            if os.fstat(self._descriptor).st_size == 0:
                self._grow(0)
        self._map = self._mapped()

    def __len__(self) -> int:
        """How many there are, for all processes."""
        count: int = _COUNT.unpack_from(self._map)[0]
        return count

    def find(self, name: bytes) -> int | None:
        """The place of the record with the digest `name`, or None."""
        if len(self._places) < len(self):
            self._look()
        return self._places.get(name)

    def make(self, name: bytes, state: State) -> int:
        """The place of the record with the digest `name`; a new one begins with `state`."""
        place = self.find(name)
        if place is not None:
            return place
        with self._all_locked():
            self._look()
            return self._places.get(name) or self._append(name, state)

    def places(self) -> Iterable[int]:
        """Where there are records."""
        if len(self._places) < len(self):
            self._look()
        return self._places.values()

    def lock(self, place: int) -> bool:
        """Let nobody else change the record at `place`; False: one that is stopped has the lock.

        Whatever the answer, go on; `unlock` what was locked.
        """
        try:
            fcntl.lockf(self._descriptor, _TRY, 1, place)
        except BlockingIOError:
            return self._lock_later(place)
        if self._stuck:
            self._stuck.discard(place)
        return True

    def unlock(self, place: int) -> None:
        """Others may change the record at `place` again."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)

    def state(self, place: int) -> State:
        """What holds at `place` now."""
        return _STATE.unpack_from(self._map, place + _STATES + self._map[place + _HOLDS] * _SIZE)

    def change(self, place: int, first: float, second: float = 0.0) -> None:
        """Have another state hold at `place`."""
        other = 1 - self._map[place + _HOLDS]
        _STATE.pack_into(self._map, place + _STATES + other * _SIZE, first, second)
        self._map[place + _HOLDS] = other

    def _append(self, name: bytes, state: State) -> int:
        place = _HEAD + len(self) * _RECORD
        if place + _RECORD > len(self._map):
            self._grow(len(self._map))
            self._map = self._mapped()
        self._map[place : place + _RECORD] = bytes(_RECORD)
        self._map[place : place + _NAME] = name
        self.change(place, *state)
        # Not before the record is whole.
        _COUNT.pack_into(self._map, 0, len(self) + 1)
        self._places[name] = place
        return place

    def _look(self) -> None:
        """Learn of the records that others have made."""
        if len(self._map) < os.fstat(self._descriptor).st_size:
            self._map = self._mapped()
        for number in range(len(self._places), len(self)):
            place = _HEAD + number * _RECORD
            self._places[self._map[place : place + _NAME]] = place

    def _grow(self, size: int) -> None:
        # Written, not only made longer: a full disk is an error here, and no signal later.
        os.pwrite(self._descriptor, bytes(_GROWTH), size)

    def _mapped(self) -> mmap.mmap:
        return mmap.mmap(self._descriptor, 0)

    @contextlib.contextmanager
    def _all_locked(self) -> Iterator[None]:
        held = self.lock(0)
        try:
            yield
        finally:
            if held:
                self.unlock(0)

    def _lock_later(self, place: int) -> bool:
        until = time.monotonic() + _PATIENCE_SECONDS
        while place not in self._stuck and time.monotonic() < until:
            # Whoever has it may need this very core to go on.
            time.sleep(_NAP_SECONDS)
            with contextlib.suppress(BlockingIOError):
                fcntl.lockf(self._descriptor, _TRY, 1, place)
                return True
        self._stuck.add(place)
        return False
