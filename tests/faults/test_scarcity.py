"""Memory, files and room for logs that run out: callers who are there are served all the same."""

from __future__ import annotations

import contextlib
import random
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.errors import Unavailable
from jupyter_deploy.gateway.protocol import RESERVED_FILES
from jupyter_deploy.replica.printing import MOST_BYTES
from tests.faults.callers import ping
from tests.faults.groups import Group, control_group
from tests.faults.load import Load
from tests.faults.scene import PRINTS, STEALS_MEMORY, WRITES, Scene, kill
from tests.faults.slowness import wait_scaled
from tests.process.stack import ours

#: Takes what the others of its group leave of so many bytes, and gives back what they need: the
#: kernel ends nobody.  Says when there is no more to take.
_HOG = """
import mmap, pathlib, select, sys
sys.stdin.readline()
used, most, block = pathlib.Path(sys.argv[1]), int(sys.argv[2]), 4_000_000
held, waits = [], 0.0
while not select.select([sys.stdin], [], [], waits)[0]:
    left = most - int(used.read_text())
    if left > block:
        held.append(mmap.mmap(-1, block))
        held[-1].write(bytes([1]) * block)
    elif left < 0:
        for _ in range(min(len(held), -left // block + 1)):
            held.pop().close()
    elif not waits:
        waits = 0.002
        print("held", flush=True)
"""


@contextlib.contextmanager
def held(most: int, group: Group) -> Iterator[None]:
    """`group` holds so many bytes, whatever its other processes take or give back."""
    pipe = subprocess.PIPE
    arguments = [sys.executable, "-c", _HOG, str(group.usage), str(most)]
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe) as hog:
        # What it holds before it is in the group is not counted there.
        group.add(hog.pid)
        hog.stdin.write(b"\n")
        hog.stdin.flush()
        assert hog.stdout.readline() == b"held\n"
        yield
        hog.stdin.close()
        assert hog.wait(60) == 0


def test_a_replica_out_of_memory_costs_nobody_else_anything_and_is_said_to_be(
    scene: Scene, unharmed: None, load: Load, chance: random.Random
) -> None:
    seen = scene.last_event()
    with control_group(300_000_000) as group:
        group.add(*scene.replicas)
        own = load.ask([float(chance.randrange(10**6)), STEALS_MEMORY])
        said = scene.until_event("replica-ended", seen).message
        scene.whole(scene.load_seconds + 1)
        sent = own.result(60)
    load.after(50)
    ledger = load.stop()
    held = r"out of memory \(it held \d+(\.\d)? [MG]B\)"
    assert re.search(rf"was killed: {held}; a new one starts\.$", said)
    # Once it has met two replicas that may not hold so much; a new one may.
    assert sent.outcome == "right" or "poisonous-request" in sent.said
    assert [one for one in ledger.failed if one is not sent] == []


def test_when_memory_is_short_large_requests_and_deploys_are_refused_and_others_served(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    body = b" " * 20_000_000 + b'{"inputs": [[1.0, 0.0]]}'
    headers = {"authorization": f"Bearer {scene.key}", "content-type": "application/json"}

    def ask(client: httpx.Client) -> httpx.Response:
        return client.post(f"{scene.url}/invocations", content=body, headers=headers)

    seen, gateway, most = scene.last_event(), scene.gateway, 2_000_000_000
    with control_group(most) as group, httpx.Client(timeout=60) as client:
        group.add(*[process.pid for process in ours(scene.one.home)])
        with held(int(0.965 * most), group):
            said = scene.until_event("memory-short", seen).message
            refused = ask(client)
            with pytest.raises(Unavailable, match="too little to start another version"):
                scene.one.begin("another")
        wait_scaled(lambda: ask(client).status_code == 200, 2.0)
        scene.until_event("memory-enough", seen)
    assert re.match(r"Only \d+ MB of 2\.0 GB memory is free: large requests get 503", said)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "short-of-memory" in refused.text
    load.after(50)
    load.stop().nobody_noticed()
    assert scene.gateway == gateway


def test_when_no_more_files_may_be_opened_new_callers_get_503_and_others_are_served(
    scene: Scene, load: Load, chance: random.Random
) -> None:
    seen, gateway = scene.last_event(), scene.gateway
    before = resource.prlimit(gateway, resource.RLIMIT_NOFILE)
    taken = {int(one.name) for one in Path(f"/proc/{gateway}/fd").iterdir()}
    most = len(taken) + RESERVED_FILES + 20
    # The gateway goes by a descriptor's number: a link that was made amid a crowd has a high one.
    free = len(set(range(len(taken) + 20)) - taken)
    resource.prlimit(gateway, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        with contextlib.ExitStack() as crowd:
            statuses = [ping(scene.url, crowd) for _ in range(100)]
            assert 0 < statuses.count(200) <= free
            assert statuses.count(503) == 100 - statuses.count(200)
            # What is left is for replicas, and for the supervisor's orders.
            kill(chance.choice(scene.replicas))
            scene.whole(scene.load_seconds + 1)
            load.after(50)
        with contextlib.ExitStack() as alone:
            wait_scaled(lambda: ping(scene.url, alone) == 200, 2.0)
    finally:
        resource.prlimit(gateway, resource.RLIMIT_NOFILE, before)
    load.stop().nobody_noticed()
    assert scene.gateway == gateway
    said = scene.until_event("connections-refused", seen).message
    assert re.match(r"\d+ new connections got 503: as many are open as the gateway may have", said)


def test_the_limit_of_open_files_is_raised(scene: Scene, chance: random.Random) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kill(scene.one.supervisor_pid(), scene.gateway)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        scene.find_supervisor()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_scaled(lambda: scene.one.client.status().gateway.pids, 5.0)
    for pid in (scene.gateway, scene.one.supervisor_pid()):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (min(hard, 65_536), hard)


def test_a_replica_that_prints_without_end_costs_nobody_anything_and_its_log_stays_short(
    scene: Scene, load: Load, chance: random.Random, request
) -> None:
    """1 GB with --all; nobody has to read it: the supervisor is dead meanwhile."""
    logs = (scene.one.home / "logs").glob("version-*.log")
    log = max(logs, key=lambda path: int(path.stem.rpartition("-")[2]))
    longest = Longest(log)
    kill(scene.one.supervisor_pid())
    for _ in range(10 if request.config.getoption("--all") else 2):
        # One after the other: those that share a frame would print once.
        assert load.ask([100.0, PRINTS]).result(60).outcome == "right"
    # Two replicas, and each looks once in a megabyte.
    assert longest.stop() < MOST_BYTES + 3_000_000
    scene.find_supervisor()
    assert load.ask([100.0, WRITES]).result(60).outcome == "right"
    wait_scaled(lambda: len(said := log.read_bytes()) <= MOST_BYTES and b"last line" in said, 2.0)
    load.after(50)
    load.stop().nobody_noticed()


class Longest:
    """Looks at a file's size again and again, and keeps the greatest."""

    def __init__(self, file: Path) -> None:
        self._file, self._most, self._ending = file, 0, threading.Event()
        self._thread = threading.Thread(target=self._look, name="longest")
        self._thread.start()

    def stop(self) -> int:
        self._ending.set()
        self._thread.join(10)
        return self._most

    def _look(self) -> None:
        while not self._ending.wait(0.002):
            self._most = max(self._most, self._file.stat().st_size)
