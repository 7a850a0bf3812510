"""Which requests of a queue share a frame, by a replica that answers over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.gateway import log
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch import VersionQueue, Work
from jupyter_deploy.gateway.dispatch.poison import PoisonLedger
from jupyter_deploy.gateway.dispatch.work import Result
from jupyter_deploy.wire.frames import FrameReader, Kind, pack_frame
from jupyter_deploy.wire.messages import PredictAnswer, pack_answer, unpack_request
from tests.support import wait_until

NUMBER = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", ()))
CALLERS, FRAMES = 20, 40


class Replica(threading.Thread):
    """Answers one frame after the other, each after `seconds`; `rows` are those of each frame."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(daemon=True)
        self.path, self.seconds = str(path), seconds
        self.rows: list[int] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def run(self) -> None:
        connection, _ = self.listener.accept()
        reader = FrameReader()
        # At the end nobody waits for the last answer.
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                for frame in reader.feed(data):
                    count = len(unpack_request(frame.payload).arrays[0])
                    self.rows.append(count)
                    time.sleep(self.seconds)
                    answer = pack_answer(PredictAnswer(("predictions",), [np.zeros(count)], 0.0))
                    connection.sendall(pack_frame(Kind.PREDICTED, frame.id, answer))


@pytest.fixture
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(tmp_path / "replica", request.param)
    replica.start()
    yield replica
    replica.join(10)
    replica.listener.close()


async def ask_again_and_again(replica: Replica, answering: float) -> list[int]:
    """The rows of the last frames, where each caller asks again at once when it has its answer."""
    loop, finished = asyncio.get_running_loop(), asyncio.Event()

    def answered(_: Result) -> None:
        time.sleep(answering)
        loop.call_soon(ask)

    def ask() -> None:
        if len(replica.rows) >= FRAMES:
            finished.set()
        else:
            queue.put(Work(Input(1, [1.0]), b"", request_id="", consumer="me"), answered)

    queue = VersionQueue(
        ArrayBuilder(NUMBER), batchable=True, timeout=30.0, ledger=PoisonLedger(),
        log=log.Log("test"), on_failure=lambda *_: None, on_batch=lambda *_: None,
    )  # fmt: skip
    queue.update([ReplicaRoute("one", replica.path)])
    async with asyncio.timeout(60):
        # The second half comes while the first is with the replica.
        for half in (1, 2):
            for _ in range(CALLERS // 2):
                ask()
            await asyncio.to_thread(wait_until, lambda half=half: len(replica.rows) >= half)
        await finished.wait()
    queue.update(())
    return replica.rows[FRAMES // 2 : FRAMES]


@pytest.mark.parametrize("replica", [0.05], indirect=True)
def test_callers_who_ask_again_share_a_frame_with_those_who_wait(replica: Replica) -> None:
    assert set(asyncio.run(ask_again_and_again(replica, 0.0))) == {CALLERS}


@pytest.mark.parametrize("replica", [0.002], indirect=True)
def test_a_replica_does_not_wait_where_answering_takes_longer_than_a_frame(
    replica: Replica,
) -> None:
    # One half is answered while the other is with the replica.
    assert max(asyncio.run(ask_again_and_again(replica, 0.001))) < CALLERS
