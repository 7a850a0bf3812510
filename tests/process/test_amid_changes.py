"""A change of the state, and what comes amid it: each is whole, whichever is first."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.models import (
    BeginDeploy,
    CreateKey,
    DeployOptions,
    DeployStatus,
    DeployTicket,
    Event,
    RevokeKey,
    RotateKey,
    SubmitDeploy,
)
from jupyter_deploy.core.keys import read_key
from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.errors import Conflict
from jupyter_deploy.supervisor import staging
from jupyter_deploy.supervisor.api import build
from jupyter_deploy.supervisor.service import Supervisor
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.store import writing
from tests.process.stack import CONTRACT, ROWS, Stack, me, stack, times
from tests.support import wait_until

SECONDS = 60.0


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Stack]:
    with stack(tmp_path / "home") as running:
        running.deploy("churn", 1.0)
        yield running


@contextlib.contextmanager
def locked(one: Stack) -> Iterator[None]:
    """Another process writes to the state, and whoever else would waits."""
    with contextlib.closing(sqlite3.connect(one.home / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_stop_amid_the_switch_of_a_deploy_loses_nothing_of_what_serves_then(one: Stack) -> None:
    supervisor = psutil.Process(one.supervisor_pid())
    ticket = one.begin("churn")
    manifest = one.fill(ticket, times(2.0), expected=ROWS.sum(axis=1) * 2.0)
    one.client.submit_deploy(ticket.deploy_id, SubmitDeploy(manifest))
    log = one.home / "logs" / "supervisor.log"
    with locked(one):
        switch = lambda: one.client.deploy_status(ticket.deploy_id).steps[-1].state  # noqa: E731
        wait_until(lambda: switch() == "running", SECONDS)
        supervisor.terminate()
        # Now what runs is told to end, and waits for nothing but the state.
        wait_until(lambda: "service: stopping" in log.read_text(), SECONDS)
        wait_until(lambda: not one_more_replica(one), SECONDS)
    supervisor.wait(SECONDS)
    one.start()
    wait_until(lambda: one.endpoint("churn").state == "serving", SECONDS)
    assert one.endpoint("churn").active == "1.1.0"
    assert one.version("churn", "1.1.0").state == "active"
    wait_until(lambda: one.predict("churn") == [6.0, 14.0], SECONDS)


def one_more_replica(one: Stack) -> bool:
    """Whether there is a replica of the second version."""
    return bool(list((one.home / "processes").glob("replica-2-*.json")))


def test_that_a_version_has_failed_is_written_when_that_works_again(one: Stack) -> None:
    one.deploy("churn", 2.0)
    (one.home / "versions" / "2" / "model" / "model.pkl").write_bytes(b"broken")
    log = one.home / "logs" / "supervisor.log"
    (pid,) = one.replica_pids("churn", "1.1.0")
    with locked(one):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: "that a version has failed is not written yet" in log.read_text(), 90)
    wait_until(lambda: one.endpoint("churn").active == "1.0.0", SECONDS)
    assert one.version("churn", "1.1.0").state == "failed"
    wait_until(lambda: one.predict("churn") == [3.0, 7.0], SECONDS)


@contextlib.asynccontextmanager
async def with_a_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Supervisor, str]]:
    """A supervisor with one key, and the key's id; no gateway has to be told."""
    settings = Settings(home=home, run=home)
    settings.make_folders()
    supervisor = Supervisor(settings)

    async def published() -> tuple[str, ...]:
        return ()

    monkeypatch.setattr(supervisor.routes, "publish", published)
    await supervisor.store.open()
    await supervisor.store.change(lambda connection: writing.endpoint(connection, "churn"))
    issued = await supervisor.keys.create(CreateKey("crm", ("churn",), me()))
    yield supervisor, issued.key.key_id
    await supervisor.store.close()


def test_a_key_that_is_rotated_while_it_is_revoked_stays_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both() -> None:
        async with with_a_key(tmp_path, monkeypatch) as (supervisor, key_id):
            keys = supervisor.keys
            revoked, rotated = await asyncio.gather(
                keys.revoke(key_id, RevokeKey(me())),
                keys.rotate(key_id, RotateKey(me(), SECONDS)),
                return_exceptions=True,
            )
            assert not isinstance(revoked, BaseException)
            assert isinstance(rotated, Conflict)
            (key,) = keys.list("churn")
            assert key.revoked_at is not None
            assert not list((tmp_path / "keys").iterdir())

    asyncio.run(both())


def test_a_key_that_two_people_rotate_at_once_has_the_secret_that_its_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both() -> tuple[str, str]:
        async with with_a_key(tmp_path, monkeypatch) as (supervisor, key_id):
            rotate, wanted = supervisor.keys.rotate, RotateKey(me(), SECONDS)
            first, second = await asyncio.gather(rotate(key_id, wanted), rotate(key_id, wanted))
            assert first.file == second.file
            return first.file, supervisor.store.state.key(key_id).stored.digest

    file, digest = asyncio.run(both())
    known = read_key(Path(file).read_text())
    assert known is not None
    assert known[1] == digest


def test_a_deploy_that_begins_while_others_are_tidied_up_keeps_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, run=tmp_path)
    settings.make_folders()
    remove = staging.remove_others

    async def tidy() -> DeployTicket:
        supervisor, loop = Supervisor(settings), asyncio.get_running_loop()
        await supervisor.store.open()
        begun = list[DeployTicket]()

        def begin_and_remove(*what: Any) -> None:
            begin = supervisor.deploys.begin("churn", BeginDeploy(CONTRACT, me(), DeployOptions()))
            begun.append(asyncio.run_coroutine_threadsafe(begin, loop).result(SECONDS))
            remove(*what)

        monkeypatch.setattr(staging, "remove_others", begin_and_remove)
        await supervisor.deploys.recover()
        await supervisor.store.close()
        return begun[0]

    assert Path(asyncio.run(tidy()).staging).is_dir()


def test_a_deploy_that_is_given_up_while_it_is_submitted_is_one_that_ran(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, run=tmp_path)
    settings.make_folders()

    async def both() -> tuple[DeployStatus, DeployStatus, list[Event]]:
        supervisor = Supervisor(settings)
        await supervisor.store.open()
        deploys = supervisor.deploys
        ticket = await deploys.begin("churn", BeginDeploy(CONTRACT, me(), DeployOptions()))
        manifest = await asyncio.to_thread(filled, tmp_path, ticket)
        submitted, ended = await asyncio.gather(
            deploys.submit(ticket.deploy_id, SubmitDeploy(manifest)),
            deploys.abort(ticket.deploy_id),
        )
        await supervisor.deploys.stop()
        events = await supervisor.journal.after(0, 0.0)
        await supervisor.launchers.close()
        await supervisor.store.close()
        return submitted, ended, events

    submitted, ended, events = asyncio.run(both())
    assert (submitted.state, ended.state) == ("running", "aborted")
    (event,) = events
    assert event.message.endswith("was not deployed: The deploy was given up while it ran.")


def filled(home: Path, ticket: DeployTicket) -> Manifest:
    with ControlClient(home / "none.sock") as client:
        return Stack(home, client).fill(ticket, times(1.0))


@pytest.mark.parametrize("words", [("stop", "hand-over"), ("hand-over", "stop")])
def test_of_a_stop_and_an_upgrade_at_once_the_first_is_done(
    words: tuple[str, str], tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, run=tmp_path)
    settings.make_folders()

    async def ask() -> tuple[list[int], bool]:
        supervisor = Supervisor(settings)
        await supervisor.store.open()
        transport = httpx.ASGITransport(app=build(supervisor))
        async with httpx.AsyncClient(transport=transport, base_url="http://supervisor") as client:
            body = {"origin": {"user": "ada", "via": "cli"}}
            answers = [await client.post(f"/api/{word}", json=body) for word in words]
        await supervisor.store.close()
        return [answer.status_code for answer in answers], supervisor.leaving

    assert asyncio.run(ask()) == ([202, 503], words[0] == "hand-over")
