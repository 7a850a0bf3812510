"""What a fault must not leave behind: processes, descriptors, files of dead processes."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.process.stack import Stack, is_replica, ours
from tests.support import wait_until

#: A supervisor or gateway that has only just started opens some more when it is first asked.
SPARE = 16
#: On an idle machine.
SECONDS = 30.0
#: These come and go by themselves: what replicas are forked from, and what tells MLflow.
HELPERS = ("jupyter_deploy.replica.launcher", "jupyter_deploy.registry")


@dataclass(frozen=True)
class Held:
    """Open descriptors of supervisor, gateway and these tests, and the tests' threads."""

    supervisor: int
    gateway: int
    tests: int
    threads: int


def held(one: Stack) -> Held:
    status = one.client.status()
    return Held(
        supervisor=psutil.Process(status.supervisor.pid).num_fds(),
        gateway=max(psutil.Process(pid).num_fds() for pid in status.gateway.pids),
        tests=psutil.Process().num_fds(),
        threads=threading.active_count(),
    )


def nothing_more_than(before: Held, one: Stack, seconds: float) -> None:
    """Wait until nothing is held that was not held before, and only what ought to run runs."""
    for left in (passing, strangers, files_of_the_dead, lambda one: more(before, held(one))):
        try:
            wait_until(lambda left=left: not left(one), seconds)
        except AssertionError as error:
            raise AssertionError(f"left after {seconds:g} s: {left(one)}") from error


def passing(one: Stack) -> list[str]:
    """Replicas that are not there to stay: silent, on their way out, or not up yet.

    What becomes of them would be told while the next test looks.
    """
    versions = (
        version for endpoint in one.client.status().endpoints for version in endpoint.versions
    )
    replicas = (replica for version in versions for replica in version.replicas)
    return [f"{one.pid} is {one.state}" for one in replicas if one.state != "ready"]


def strangers(one: Stack) -> list[str]:
    """Processes that were started for the home and that the supervisor does not know."""
    status = one.client.status()
    versions = (version for endpoint in status.endpoints for version in endpoint.versions)
    replicas = {replica.pid for version in versions for replica in version.replicas}
    known = {status.supervisor.pid, *status.gateway.pids, *replicas}
    found = []
    for process in ours(one.home):
        with contextlib.suppress(psutil.Error, OSError):
            line = " ".join(process.cmdline())
            helps = any(helper in line for helper in HELPERS) and not is_replica(process.pid)
            if process.pid not in known and not helps:
                found.append(f"{process.pid} {line}")
    return found


def files_of_the_dead(one: Stack) -> list[Path]:
    """What dead replicas and ended deploys have left."""
    status = one.client.status()
    versions = (version for endpoint in status.endpoints for version in endpoint.versions)
    living = {replica.replica_id for version in versions for replica in version.replicas}
    specs = (one.home / "processes").glob("replica-*.json")
    dead = [spec for spec in specs if spec.stem.removeprefix("replica-") not in living]
    return [*dead, *(one.home / "staging").iterdir()]


def more(before: Held, now: Held) -> list[str]:
    """What has grown by more than is spare, from how many to how many."""
    had, has = asdict(before), asdict(now)
    return [f"{name}: {had[name]} to {has[name]}" for name in had if has[name] > had[name] + SPARE]
