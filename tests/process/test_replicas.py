"""Replicas as the supervisor keeps them: real processes, and a gateway that is only said to be."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from jupyter_deploy.core.manifest import (
    MODEL,
    Loader,
    LoaderKind,
    Manifest,
    Origin,
    RegisteredModel,
)
from jupyter_deploy.supervisor.channel import Channel
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.launchers import Launchers
from jupyter_deploy.supervisor.replicas import Replicas
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.slots import Wiring
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.supervisor.store import Store
from jupyter_deploy.wire.frames import Kind
from jupyter_deploy.wire.messages import PredictRequest, pack_request, unpack_answer
from tests.process.specs import dump_function

SECONDS = 60.0
VERSION = Version(
    number=1, endpoint="churn", version="1.0.0", fate="good", why="", reason="", log=(),
    created_at=0.0, origin=Origin("ada", "python"), previous=None, replicas=1,
    timeout_seconds=30.0,
    manifest=Manifest(
        contract=Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,))),
        loader=Loader(LoaderKind.CLOUDPICKLE, "function.pkl", function=True),
        registered=RegisteredModel("sqlite:///none.db", "churn", "1"),
        python=sys.executable,
        digest="",
    ),
)  # fmt: skip


@pytest.fixture
def settings() -> Iterator[Settings]:
    # A Unix socket's path is short, pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="jd-") as name:
        made = Settings(home=Path(name), run=Path(name))
        made.make_folders()
        dump_function(made.versions / "1" / MODEL, lambda rows: rows.sum(axis=1))
        yield made


async def prediction(socket: Path) -> list[float]:
    channel = Channel(str(socket))
    payload = pack_request(PredictRequest([np.array([[1.0, 2.0]])], 1, SECONDS))
    frame = await channel.ask(Kind.PREDICT, payload, SECONDS)
    channel.close()
    assert frame.kind is Kind.PREDICTED
    answer: list[float] = unpack_answer(frame.payload).arrays[0].tolist()
    return answer


def test_a_replica_that_is_not_wanted_serves_until_the_gateway_routes_there_no_more(
    settings: Settings,
) -> None:
    answers: list[list[float]] = []

    async def serve() -> None:
        async def published() -> None:
            # The gateway's answer, and just before it what it has sent there until then.
            answers.append(await prediction(socket))

        async def whole(_: int) -> None:
            return

        wiring = Wiring(
            version={1: VERSION}.get,
            files=whole,
            changed=lambda: None,
            published=published,
            gave_up=lambda *_: None,
        )
        launchers = Launchers(settings)
        replicas = Replicas(settings, Journal(Store(settings.state)), launchers, wiring)
        replicas.want({1: 1})
        await replicas.settled(1, 1, step="start")
        ((route,),) = replicas.routes().values()
        socket = Path(route.socket)
        replicas.want({})
        assert not replicas.routes()
        assert await replicas.gone(1, SECONDS)
        await launchers.close()

    asyncio.run(serve())
    assert answers == [[3.0]]
