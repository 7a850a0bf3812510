"""The state cannot be written: changes are refused whole, callers notice nothing, and it passes."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from jupyter_deploy.client.models import BeginDeploy, ChangeTraffic, CreateKey
from jupyter_deploy.core.lifecycle.replica import Cause
from jupyter_deploy.core.snapshot import Snapshot
from jupyter_deploy.errors import StateUnavailable
from jupyter_deploy.replica.spec import EXIT_NO_ROOM
from jupyter_deploy.supervisor.processes import Exit
from tests.faults.disk import Disk, Syncs, small_disk, syncs
from tests.faults.load import Load
from tests.faults.scene import NAME, REPLICAS, Scene, kill
from tests.faults.slowness import wait_scaled
from tests.process.damage import checkpoint, kill_supervisor, shape
from tests.process.specs import spec_of
from tests.process.stack import CONTRACT, ROWS, me, until_ready
from tests.support import wait_until

#: A change waits so long for a lock, and everything is as before so long after its end.
LOCK_SECONDS, AFTER_LOCK_SECONDS, AFTER_DISK_SECONDS = 5.0, 1.0, 5.0
#: The other version is warm all the time, so that a rollback starts nothing.
FACTOR = 2.0


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small", "48m") as made:
        yield made


@pytest.fixture(scope="module")
def sync(tmp_path_factory: pytest.TempPathFactory) -> Syncs | None:
    return syncs(tmp_path_factory.mktemp("sync"))


@pytest.fixture(scope="module")
def environment(sync: Syncs | None) -> dict[str, str]:
    return {} if sync is None else sync.environment


@pytest.fixture(scope="module")
def home(disk: Disk) -> Path:
    return disk.folder / "home"


@pytest.fixture(scope="module")
def warm(scene: Scene) -> str:
    """A second version, on standby."""
    name = scene.deploy(FACTOR)
    until_ready(scene.one, NAME, name, REPLICAS, 60)
    scene.one.client.rollback(NAME, ChangeTraffic(me()))
    return name


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--all"))


def changes(scene: Scene) -> list[Callable[[], object]]:
    """What a person may ask for, one of each kind."""
    client = scene.one.client
    return [
        lambda: client.promote(NAME, ChangeTraffic(me())),
        lambda: client.create_key(CreateKey("unlucky", (NAME,), me())),
        lambda: client.begin_deploy("other", BeginDeploy(CONTRACT, me())),
    ]


def made(scene: Scene) -> tuple:
    """All that a person has made, in the state and on the disk."""
    home = scene.one.home
    folders = [sorted(path.name for path in (home / one).iterdir()) for one in ("keys", "versions")]
    return shape(scene.one), folders, list((home / "staging").iterdir())


def refused(change: Callable[[], object], why: str) -> float:
    """The change is refused for this reason; how long that took."""
    began = time.monotonic()
    with pytest.raises(StateUnavailable, match=why):
        change()
    return time.monotonic() - began


def works_again(scene: Scene, seconds: float) -> None:
    """Every kind of change, in time, and what was changed is there for the next supervisor."""
    began = time.monotonic()
    for change in (scene.one.client.promote, scene.one.client.rollback):
        change(NAME, ChangeTraffic(me()))
    scene.whole(seconds)
    assert scene.in_time(time.monotonic() - began, seconds)
    issued = scene.one.client.create_key(CreateKey("lucky", (NAME,), me()))
    before = made(scene)
    kill_supervisor(scene.one)
    scene.find_supervisor()
    assert made(scene) == before
    assert issued.key.key_id in {key.key_id for key in scene.one.client.keys(NAME)}


def when_to_come_again(scene: Scene) -> tuple[int, str | None]:
    """Status and Retry-After of a change."""
    transport = httpx.HTTPTransport(uds=str(scene.one.client.socket))
    body = msgspec.json.encode(CreateKey("unlucky", (NAME,), me()))
    with httpx.Client(transport=transport, base_url="http://supervisor", timeout=30) as raw:
        answer = raw.post("/api/keys", content=body, headers={"content-type": "application/json"})
    return answer.status_code, answer.headers.get("retry-after")


def test_a_full_disk_refuses_changes_and_costs_no_request(
    scene: Scene, warm: str, load: Load, disk: Disk, long: bool, chance: random.Random
) -> None:
    before, seen = made(scene), scene.last_event()
    checkpoint(scene.one.home / "state.db")
    with disk.full() as fill:
        ends = time.monotonic() + (60 if long else 3)
        victim = chance.choice(scene.replicas)
        kill(victim)
        while time.monotonic() < ends:
            for change in changes(scene):
                fill()  # the files of a dead replica are removed, and leave room
                refused(change, "full|No space left|cannot be made")
            load.after(20)
        assert when_to_come_again(scene) == (503, "5")
        assert scene.one.version(NAME, scene.active).state == "active"
        assert made(scene) == before
    scene.whole(AFTER_DISK_SECONDS + scene.load_seconds)
    works_again(scene, AFTER_DISK_SECONDS)
    load.after(50)
    load.stop().nobody_noticed()
    told = [event.message for event in scene.events(seen) if event.kind == "replica-ended"]
    assert any(f"(pid {victim})" in message for message in told)


def test_a_full_disk_is_no_reason_to_give_a_version_up(
    scene: Scene, warm: str, load: Load, disk: Disk, chance: random.Random
) -> None:
    """A replica has no room to start, while the state could still say that its version failed."""
    serves, seen, victim = scene.active, scene.last_event(), chance.choice(scene.replicas)
    # What is committed next overwrites the log in place, and takes no room.
    room_in_the_log(scene)
    with disk.full():
        kill(victim)
        scene.until_event("replica-ended", seen)
        # Longer than a version is tried that fails by its own fault.
        load.after(int(2 * scene.peak))
        kinds = [event.kind for event in scene.events(seen)]
        assert "version-failed" not in kinds
        assert "version-failing" not in kinds
        assert scene.active == serves
    assert victim not in scene.whole(AFTER_DISK_SECONDS + scene.load_seconds)
    load.after(50)
    load.stop().nobody_noticed()
    assert scene.active == serves


def test_a_replica_that_has_no_room_says_that_it_is_not_its_model(disk: Disk) -> None:
    """There may be room for its start, and none for what it has to say."""
    (folder := disk.folder / "lone").mkdir()
    spec = spec_of(folder, lambda rows: rows.sum(axis=1))
    with disk.full():
        ended = subprocess.run(
            [sys.executable, "-m", "jupyter_deploy.replica", spec], check=False, timeout=60
        )
    assert ended.returncode == EXIT_NO_ROOM
    assert Exit(ended.returncode).cause is Cause.NO_ROOM


def room_in_the_log(scene: Scene) -> None:
    """The log of the state is some pages long, and all of it is in the file already."""
    for change in (scene.one.client.promote, scene.one.client.rollback):
        change(NAME, ChangeTraffic(me()))
    file = scene.one.home / "state.db"
    with contextlib.closing(sqlite3.connect(file, timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")


def test_routes_that_could_not_be_written_are_written_when_that_works_again(
    scene: Scene, warm: str, load: Load, chance: random.Random
) -> None:
    victim = chance.choice(scene.replicas)
    obstacle = scene.one.home / "snapshot.new"
    wait_until(lambda: in_the_way(obstacle))
    try:
        kill(victim)
        assert victim not in scene.whole(scene.load_seconds + 1)
        before = times_not_written(scene)
        wait_scaled(lambda: times_not_written(scene) > before, 5.0)
        assert routed(scene) != ready(scene)
    finally:
        obstacle.rmdir()
    # Nothing happens any more that would have them written.
    wait_scaled(lambda: routed(scene) == ready(scene), AFTER_DISK_SECONDS)
    load.after(50)
    load.stop().nobody_noticed()


def in_the_way(obstacle: Path) -> bool:
    """Whether it stands where the routes are written, which may be happening just now."""
    with contextlib.suppress(FileExistsError):
        obstacle.mkdir()
    return obstacle.is_dir()


def routed(scene: Scene) -> set[str]:
    """The replicas of the active version in the last snapshot."""
    last = msgspec.json.decode((scene.one.home / "snapshot.json").read_bytes(), type=Snapshot)
    (endpoint,) = (one for one in last.endpoints if one.name == NAME)
    (version,) = (one for one in endpoint.versions if one.version == scene.active)
    return {replica.replica_id for replica in version.replicas}


def times_not_written(scene: Scene) -> int:
    log = (scene.one.home / "logs" / "supervisor.log").read_text()
    return log.count("routes are not published")


def ready(scene: Scene) -> set[str]:
    replicas = scene.one.version(NAME, scene.active).replicas
    return {replica.replica_id for replica in replicas if replica.state == "ready"}


def test_a_model_that_prints_goes_on_when_its_log_is_full(
    scene: Scene, disk: Disk, chance: random.Random
) -> None:
    def chatty(x):
        print("x" * 10_000, flush=True)
        return x.sum(axis=1)

    one = scene.one
    ticket = one.begin("chatty")
    one.submit(ticket, one.fill(ticket, chatty, expected=ROWS.sum(axis=1)))
    try:
        assert one.predict("chatty") == [3.0, 7.0]
        with disk.full():
            assert [one.predict("chatty") for _ in range(5)] == [[3.0, 7.0]] * 5
    finally:
        one.client.undeploy("chatty", me())


def test_a_disk_that_does_not_sync_refuses_changes_and_costs_no_request(
    scene: Scene, warm: str, load: Load, sync: Syncs | None, chance: random.Random
) -> None:
    if sync is None:
        pytest.skip("there is no C compiler to make fsync fail with")
    before = made(scene)
    with sync.failing():
        for change in changes(scene):
            refused(change, "I/O error|Input/output error")
        load.after(50)
        assert made(scene) == before
    works_again(scene, AFTER_DISK_SECONDS)
    load.after(50)
    load.stop().nobody_noticed()


def test_a_state_that_another_process_locks_refuses_changes_in_time_and_costs_no_request(
    scene: Scene, warm: str, load: Load, long: bool, chance: random.Random
) -> None:
    before, victim = made(scene), chance.choice(scene.replicas)
    ends = time.monotonic() + (30 if long else 0)
    with locked(scene), ThreadPoolExecutor(9) as people:
        kill(victim)
        while True:
            # All at once, but for the traffic of one endpoint, which changes one after the other.
            promote, *others = changes(scene)
            asked = [promote, *(4 * others)]
            waits = [people.submit(refused, change, "locked") for change in asked]
            # Whoever only looks waits for nobody.
            began = time.monotonic()
            assert scene.one.endpoint(NAME).state
            assert scene.in_time(time.monotonic() - began, 1)
            took = max(wait.result(60) for wait in waits)
            assert scene.in_time(took, LOCK_SECONDS + 2), took
            if time.monotonic() > ends:
                break
        assert victim not in scene.whole(scene.load_seconds)
        assert made(scene) == before
    works_again(scene, AFTER_LOCK_SECONDS)
    load.after(50)
    load.stop().nobody_noticed()


@contextlib.contextmanager
def locked(scene: Scene) -> Iterator[None]:
    other = sqlite3.connect(scene.one.home / "state.db", isolation_level=None, timeout=10)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()
