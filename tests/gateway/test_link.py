"""The connection to one replica."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.gateway.dispatch.link import ReplicaLink
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.wire.board import Board, board_of
from jupyter_deploy.wire.frames import Frame


class Owner:
    """Is told, and does nothing."""

    def __init__(self) -> None:
        self.up = asyncio.Event()

    def link_up(self, link: ReplicaLink) -> None:
        self.up.set()

    def link_frame(self, link: ReplicaLink, frame: Frame) -> None:
        pass

    def link_down(self, link: ReplicaLink) -> None:
        pass


def files_below(folder: Path) -> list[str]:
    """What this process has open there."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            file = os.readlink(descriptor)
        except FileNotFoundError:  # that of the listing itself
            continue
        if file.startswith(str(folder)):
            found.append(file)
    return found


def test_a_link_that_is_closed_has_no_file_open(tmp_path: Path) -> None:
    path = str(tmp_path / "replica.sock")

    async def run() -> list[str]:
        Board.make(board_of(path))
        server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), path)
        async with server, asyncio.timeout(10):
            link = ReplicaLink(ReplicaRoute("one", path), owner := Owner(), Log("test"))
            await owner.up.wait()
            open_before = files_below(tmp_path)
            link.close()
            assert files_below(tmp_path) == []
        return open_before

    assert asyncio.run(run()) == [str(board_of(path))]
