"""Orders to a gateway whose loop is held: nobody else waits for it."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from jupyter_deploy.core.snapshot import Snapshot
from jupyter_deploy.supervisor.gateway import Gateway
from jupyter_deploy.supervisor.gateway_process import Errands
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.store import Store
from tests.process.blocks import Blocks
from tests.support import wait_until

SECONDS = 30.0


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blocks:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.getcwd()]))
    return Blocks.make(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    # A short path: that of a socket may not be long.
    with tempfile.TemporaryDirectory(prefix="jdo-") as run:
        made = Settings(home=tmp_path / "home", run=Path(run) / "run", drain_seconds=5.0)
        made.make_folders()
        made.snapshot.write_bytes(msgspec.json.encode(Snapshot(1, "http://x", mlflow_version="")))
        yield made


def test_a_successor_takes_over_while_an_order_waits_for_the_one_before(
    settings: Settings, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither the order's own deadline nor its heart ends it before.
    monkeypatch.setattr("jupyter_deploy.supervisor.gateway_process.SILENT_SECONDS", 60.0)
    monkeypatch.setattr("jupyter_deploy.core.health.SPARE_SECONDS", 60.0)

    async def collect() -> None:
        """Nobody keeps figures here."""

    async def run(listener: socket.socket) -> None:
        one = Gateway(settings, Journal(Store(settings.state)), 0, Errands(lambda: None, collect))
        one.keep(listener)
        await one.serving()
        victim = one.pid
        assert victim is not None
        with blocks.loop_of(victim):
            order = asyncio.ensure_future(one.reload(1))
            await asyncio.to_thread(wait_until, lambda: one.pid != victim, SECONDS)
            assert not order.done()
        assert await order == ""
        await one.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(run(listener))
