"""Which requests of a queue share a frame, by a replica that answers over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.errors import Overloaded
from jupyter_deploy.gateway import log
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch import Elsewhere, VersionQueue, Work
from jupyter_deploy.gateway.dispatch.poison import PoisonLedger
from jupyter_deploy.gateway.dispatch.work import MAX_BATCH_ROWS, Reply, Result
from jupyter_deploy.wire.frames import FrameReader, Kind, pack_frame
from jupyter_deploy.wire.messages import PredictAnswer, pack_answer, unpack_request
from tests.support import wait_until

NUMBER = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", ()))
CALLERS, FRAMES = 20, 40


class Replica(threading.Thread):
    """Answers one frame after the other, each after `seconds`; `rows` are those of each frame.

    The first one waits for `warm`.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(daemon=True)
        self.warm = threading.Event()
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
                    self.warm.wait()
                    time.sleep(self.seconds)
                    answer = pack_answer(PredictAnswer(("predictions",), [np.zeros(count)], 0.0))
                    connection.sendall(pack_frame(Kind.PREDICTED, frame.id, answer))


@pytest.fixture
def replica(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Replica]:
    replica = Replica(tmp_path / "replica", request.param)
    replica.warm.set()
    replica.start()
    yield replica
    replica.join(10)
    replica.listener.close()


def new_queue() -> VersionQueue:
    return VersionQueue(
        ArrayBuilder(NUMBER), batchable=True, timeout=30.0, ledger=PoisonLedger(),
        log=log.Log("test"), on_failure=lambda *_: None, on_batch=lambda *_: None,
    )  # fmt: skip


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

    queue = new_queue()
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


@pytest.mark.parametrize("replica", [0.0], indirect=True)
def test_few_wait_for_the_first_call_of_a_replica_that_has_just_come(
    replica: Replica, tmp_path: Path
) -> None:
    cold = Replica(tmp_path / "cold", 0.0)
    cold.start()
    asyncio.run(burst_for_two(replica, cold))
    cold.join(10)
    cold.listener.close()
    assert cold.rows[0] <= 8
    assert max(cold.rows[1:]) > 8


@pytest.mark.parametrize("replica", [0.0], indirect=True)
@pytest.mark.parametrize("early", [False, True], ids=["answered", "given up"])
def test_nothing_is_left_of_a_request_that_went_in_pieces(replica: Replica, *, early: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        asyncio.run(in_pieces(replica, early=early))
        left = [one for one in gc.get_objects() if isinstance(one, Work)]
    finally:
        gc.enable()
    assert left == []


async def in_pieces(replica: Replica, *, early: bool) -> None:
    """A request of many rows, answered, or given up while its first pieces are with the replica."""
    queue = new_queue()
    queue.update([ReplicaRoute("one", replica.path)])
    answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    rows = 10 * MAX_BATCH_ROWS
    async with asyncio.timeout(60):
        await asyncio.to_thread(wait_until, lambda: queue.connected)
        work = Work(Input(rows, [1.0] * rows), b"", request_id="", consumer="me")
        queue.put(work, answer.set_result)
        if early:
            replica.warm.clear()
            await asyncio.to_thread(wait_until, lambda: replica.rows)
            queue.drop(work, Overloaded())
            replica.warm.set()
        assert isinstance(await answer, Overloaded if early else Reply)
        await asyncio.to_thread(wait_until, lambda: not queue.asked_at)
    queue.update(())


async def burst_for_two(warm: Replica, cold: Replica) -> None:
    """Bursts for a version whose second replica comes late, and takes long for its first frame."""
    queue, routes = new_queue(), [ReplicaRoute("warm", warm.path)]
    queue.update(routes)
    async with asyncio.timeout(60):
        # So much is known of the version that a large frame is sent to any replica.
        for _ in range(20):
            await burst(queue)
        queue.update([*routes, ReplicaRoute("cold", cold.path)])
        waiting = asyncio.create_task(burst(queue))
        while not cold.rows:
            await asyncio.sleep(0)
            if waiting.done():
                waiting = asyncio.create_task(burst(queue))
        cold.warm.set()
        await waiting
        while len(cold.rows) < 5:
            await burst(queue)
    queue.update(())


async def burst(queue: VersionQueue, count: int = 200) -> None:
    """So many callers of one row each, all answered."""
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[Result]] = [loop.create_future() for _ in range(count)]
    for answer in answers:
        queue.put(Work(Input(1, [1.0]), b"", request_id="", consumer="me"), answer.set_result)
    await asyncio.gather(*answers)


def test_what_was_decoded_while_its_version_went_is_for_the_one_that_serves_then() -> None:
    async def ask() -> None:
        queue = new_queue()
        queue.retire()
        work = Work(Input(1, [1.0]), b"1", request_id="", consumer="")
        with pytest.raises(Elsewhere):
            queue.put(work, lambda _: None)

    asyncio.run(ask())
