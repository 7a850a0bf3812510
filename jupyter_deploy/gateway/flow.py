"""How far ahead of its answers a connection is read."""

from __future__ import annotations

import asyncio
from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl


class OneByOne(FlowControl):
    """Reads nothing while requests wait for the one before them: each read could bring hundreds."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless there is enough."""
        if self.read_paused and not self._waiting:
            super().resume_reading()
