"""A state file that is damaged, older or newer: nobody who calls notices, and all comes back."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import SupervisorUnavailable
from jupyter_deploy.supervisor.store.schema import MIGRATIONS
from tests.faults.load import Load
from tests.faults.scene import NAME, Scene
from tests.process.damage import WAYS, kill_supervisor, known, recovered, shape, wal_deleted

#: From a start with such a file to endpoints, keys and traffic as they were.
BACK_SECONDS = 10.0
#: What takes back the migration to each schema.
UNDO = {2: ["ALTER TABLE versions DROP COLUMN most_replicas"]}


def comes_back(scene: Scene, before: tuple, secret: str) -> None:
    """A supervisor that starts now shows all as it was, in time."""
    began = time.monotonic()
    scene.find_supervisor()
    assert shape(scene.one) == before
    assert scene.in_time(time.monotonic() - began, BACK_SECONDS)
    assert scene.one.predict(NAME, key=secret) == [3.0, 7.0]


@pytest.mark.parametrize(
    ("damage", "when"),
    [
        *((damage, "running") for damage in WAYS),
        # The only one that loses changes when nobody has the file open.
        (wal_deleted, "stopped"),
        *(pytest.param(one, "stopped", marks=pytest.mark.slow) for one in WAYS[:5]),
    ],
)
def test_a_damaged_state_comes_back_and_nobody_who_calls_notices(
    scene: Scene, load: Load, damage: Callable[[Path], None], when: str, chance: random.Random
) -> None:
    one, file = scene.one, scene.one.home / "state.db"
    before, secret = known(one)
    if when == "stopped":
        kill_supervisor(one)
        damage(file)
    else:
        damage(file)
        load.after(20)
        kill_supervisor(one)
    comes_back(scene, before, secret)
    load.after(50)
    load.stop().nobody_noticed()
    what = recovered(one)
    assert "The backup of" in what
    assert one.client.status().supervisor.note == what
    assert what in (one.home / "logs" / "supervisor.log").read_text()


def test_a_state_of_each_older_schema_is_taken_over_under_load(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    assert set(UNDO) == set(range(2, len(MIGRATIONS) + 1)), "say how to take back the new one"
    before, secret = known(scene.one)
    for older in reversed(range(1, len(MIGRATIONS))):
        kill_supervisor(scene.one)
        for undone in range(len(MIGRATIONS), older, -1):
            execute(scene, *UNDO[undone])
        execute(scene, f"PRAGMA user_version = {older}")
        comes_back(scene, before, secret)
        assert scene.one.client.status().supervisor.note == ""
    load.after(50)
    load.stop().nobody_noticed()


def test_a_state_of_a_newer_schema_is_left_alone_and_what_serves_goes_on(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    before, secret = known(scene.one)
    execute(scene, "PRAGMA user_version = 99")
    load.after(20)
    kill_supervisor(scene.one)
    with pytest.raises(SupervisorUnavailable, match="newer release"):
        connect()
    load.after(50)
    execute(scene, f"PRAGMA user_version = {len(MIGRATIONS)}")
    comes_back(scene, before, secret)
    load.after(50)
    load.stop().nobody_noticed()


def execute(scene: Scene, *statements: str) -> None:
    file = scene.one.home / "state.db"
    with contextlib.closing(sqlite3.connect(file, timeout=10)) as other:
        for statement in statements:
            other.execute(statement)
