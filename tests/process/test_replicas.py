"""Replicas as the supervisor keeps them: real processes, and a gateway that is only said to be."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jupyter_deploy.core import health
from jupyter_deploy.core.manifest import (
    MODEL,
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
from tests.support import wait_until
from tests.versions import VERSION

SECONDS = 60.0


@pytest.fixture
def settings() -> Iterator[Settings]:
    # A Unix socket's path is short, pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="jd-") as name:
        made = Settings(home=Path(name), run=Path(name))
        made.make_folders()
        dump_function(made.versions / "1" / MODEL, lambda rows: rows.sum(axis=1))
        yield made


async def prediction(channel: Channel) -> list[float]:
    payload = pack_request(PredictRequest([np.array([[1.0, 2.0]])], 1, SECONDS))
    frame = await channel.ask(Kind.PREDICT, payload, SECONDS)
    channel.close()
    assert frame.kind is Kind.PREDICTED
    answer: list[float] = unpack_answer(frame.payload).arrays[0].tolist()
    return answer


async def whole(_: int) -> None:
    """The files of every version are as they should be."""


async def at_once() -> None:
    """No gateway has to be told."""


def replicas_of(
    settings: Settings,
    launchers: Launchers,
    version: Version,
    published: Callable[[], Awaitable[None]],
) -> Replicas:
    """Those of one version; `published` is the word of its gateway."""
    wiring = Wiring(
        version={version.number: version}.get,
        files=whole,
        changed=lambda: None,
        published=published,
        gave_up=lambda *_: None,
    )
    return Replicas(settings, Journal(Store(settings.state)), launchers, wiring)


def test_a_replica_that_is_not_wanted_serves_until_the_gateway_routes_there_no_more(
    settings: Settings,
) -> None:
    answers: list[list[float]] = []

    async def serve() -> None:
        async def published() -> None:
            # The gateway's answer, and just before it what it has sent there until then.
            answers.append(await prediction(Channel(str(socket))))

        launchers = Launchers(settings)
        replicas = replicas_of(settings, launchers, VERSION, published)
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


def test_a_deploy_has_its_time_for_the_sample_however_short_that_of_a_caller_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SPARE_SECONDS", 0.1)
    version = replace(VERSION, number=2, fate="starting", timeout_seconds=0.1)
    dump_function(settings.versions / "2" / MODEL, slow_model())

    async def prove() -> list[float]:
        launchers = Launchers(settings)
        replicas = replicas_of(settings, launchers, version, at_once)
        replicas.want({2: 1})
        await replicas.settled(2, 1, step="prove")
        answer = await prediction(replicas.channel(2))
        replicas.want({})
        assert await replicas.gone(2, SECONDS)
        await launchers.close()
        return answer

    assert asyncio.run(prove()) == [3.0]


def test_a_replica_whose_files_cannot_be_removed_is_replaced_all_the_same(
    settings: Settings,
) -> None:
    """As on a disk that has become read-only, until it is mended."""

    async def replace_it() -> None:
        launchers = Launchers(settings)
        replicas = replicas_of(settings, launchers, VERSION, at_once)
        replicas.want({1: 1})
        await replicas.settled(1, 1, step="start")
        (before,) = replicas.statuses(1)
        (settings.processes / f"replica-{before.replica_id}.pid").mkdir()
        assert before.pid is not None
        os.kill(before.pid, signal.SIGKILL)

        def another() -> bool:
            return any(s.pid != before.pid and s.state == "ready" for s in replicas.statuses(1))

        await asyncio.to_thread(wait_until, another, SECONDS)
        replicas.want({})
        assert await replicas.gone(1, SECONDS)
        await launchers.close()

    asyncio.run(replace_it())


def slow_model() -> Callable[[np.ndarray], np.ndarray]:
    """A model that takes longer than a heartbeat may wait for an answer; pickled by value."""

    def slowly(rows):
        time.sleep(3.0)
        return rows.sum(axis=1)

    return slowly
