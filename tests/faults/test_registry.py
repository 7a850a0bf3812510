"""MLflow is away, slow or gone, and local copies of files are damaged: nobody notices."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest

from jupyter_deploy.client.models import ChangeTraffic, DeployOptions
from jupyter_deploy.core.manifest import RegisteredModel
from jupyter_deploy.pipeline import run
from jupyter_deploy.registry.package import FUNCTION_FILE
from tests.faults.load import Load
from tests.faults.scene import NAME, REPLICAS, TIMEOUT_SECONDS, Scene, faulty, kill
from tests.faults.slowness import wait_scaled
from tests.process.stack import ROWS, me, times
from tests.support import free_port

FACTOR, WRONG = 2.0, 3.0


@pytest.fixture
def registered(scene: Scene, load: Load) -> Iterator[str]:
    """A version that MLflow has too serves; afterwards 1.0.0 does."""
    load.factors.add(FACTOR)
    cloudpickle.register_pickle_by_value(sys.modules[faulty.__module__])
    options = DeployOptions(replicas=REPLICAS, timeout_seconds=TIMEOUT_SECONDS)
    model = faulty(FACTOR)
    done = run(model, NAME, sample=ROWS, options=options, origin=me(), client=scene.one.client)
    yield done.ticket.version
    serve_first(scene)


def serve_first(scene: Scene) -> None:
    if scene.active != "1.0.0":
        scene.one.client.rollback(NAME, ChangeTraffic(me(), version="1.0.0"))


def damage(scene: Scene) -> None:
    """Another model lies where that of the newest version was: it loads, and answers wrongly."""
    folders = (scene.one.home / "versions").iterdir()
    newest = max(folders, key=lambda folder: int(folder.name))
    (newest / "model" / FUNCTION_FILE).write_bytes(cloudpickle.dumps(times(WRONG)))


def test_damaged_files_of_a_version_are_fetched_from_mlflow_again(
    scene: Scene, load: Load, registered: str, chance: random.Random
) -> None:
    seen, before = scene.last_event(), scene.replicas
    chance.shuffle(before)
    damage(scene)
    kill(before[0])
    wait_scaled(lambda: set(scene.replicas) - set(before), 90)
    # Whatever the new one was started from, it is the one that is asked now.
    kill(before[1])
    load.after(50)
    load.stop().nobody_noticed()
    said = scene.until_event("files-restored", seen, 5).message
    assert said == f"The files of {NAME} {registered} were damaged; MLflow has given them again."
    scene.whole(30 + scene.load_seconds)
    assert scene.active == registered


def test_where_mlflow_has_them_no_more_traffic_returns_to_the_last_good_version(
    scene: Scene, load: Load, registered: str, chance: random.Random
) -> None:
    seen, before = scene.last_event(), scene.replicas
    with away(scene.one.home / "mlflow"):
        damage(scene)
        kill(chance.choice(before))
        # Traffic has returned, or a replica was started from what lies there, and is asked.
        wait_scaled(lambda: set(scene.replicas) - set(before), 90)
        load.after(50)
        load.stop().nobody_noticed()
        assert scene.active == "1.0.0"
        said = scene.until_event("version-failed", seen, 5).message
        assert f"{registered} has failed; 1.0.0 serves: The files of {NAME} {registered}" in said
        scene.whole(30)
    failed = scene.one.version(NAME, registered)
    assert failed.state == "failed"
    assert "not those that were deployed, and MLflow does not give them again" in failed.reason
    assert failed.reason in scene.until_event("files-lost", seen, 5).message


@contextlib.contextmanager
def away(folder: Path) -> Iterator[None]:
    """It is not there while the block runs; whoever has its files open has them afterwards."""
    elsewhere = folder.with_name(f"{folder.name}.away")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        elsewhere.rename(folder)


@pytest.fixture(params=[pytest.param("down", marks=pytest.mark.slow), "slow", "gone"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where MLflow ought to be: nobody listens, nobody answers, or its database is not there."""
    if request.param == "down":
        yield f"http://127.0.0.1:{free_port()}"
    elif request.param == "slow":
        with socket.create_server(("127.0.0.1", 0)) as silent:
            yield f"http://127.0.0.1:{silent.getsockname()[1]}"
    else:
        yield f"sqlite:///{tmp_path / 'nothing' / 'x.db'}"


def test_without_mlflow_replicas_start_from_the_local_copy_and_traffic_moves(
    scene: Scene, load: Load, uri: str, chance: random.Random
) -> None:
    load.factors.add(FACTOR)
    ticket = scene.one.begin(NAME, replicas=REPLICAS)
    manifest = scene.one.fill(ticket, faulty(FACTOR), expected=ROWS.sum(axis=1) * FACTOR)
    manifest = replace(manifest, registered=RegisteredModel(uri, NAME, "1"))
    scene.one.submit(ticket, manifest)
    before = scene.replicas
    kill(before[0])
    assert before[0] not in scene.whole(scene.load_seconds + 1)
    kill(scene.one.supervisor_pid())
    scene.whole(5)
    for _ in range(3):
        scene.one.client.rollback(NAME, ChangeTraffic(me()))
        scene.one.client.promote(NAME, ChangeTraffic(me()))
    assert scene.active == ticket.version
    load.after(50)
    load.stop().nobody_noticed()
    serve_first(scene)


def test_that_mlflow_is_away_is_said(scene: Scene, load: Load, chance: random.Random) -> None:
    """The versions of a scene are in no registry."""
    seen = scene.last_event()
    shown = scene.one.client.events()
    said = next((event for event in shown if event.kind == "registry-away"), None)
    said = said or scene.until_event("registry-away", seen, 90)
    assert said.message.startswith("MLflow does not answer; what serves goes on")
