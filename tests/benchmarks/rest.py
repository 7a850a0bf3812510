"""What the stack takes while nobody calls: memory of each process, and processor time.

Deploys a few models as a notebook would, lets everything settle, and says for supervisor and
gateway what they hold, for each replica what it holds beside a bare process that loads the same
model and answers the same rows, and the processor time of all.  PSS counts a shared page once, in
parts; USS is what would be free without the process.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# As in __main__.py: a `tests` package in somebody's site-packages would hide ours.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil

from benchmarks.models import cancer_data, churn_data, unfitted
from benchmarks.processes import cpu_seconds
from jupyter_deploy import deploy
from jupyter_deploy.replica.spec import ReplicaSpec
from tests.process.stack import Stack, ours, stack

MODELS = ("logistic", "forest", "churn")
#: The supervisor looks at MLflow two minutes after its start, and then when it has changed.
_SETTLE_SECONDS = 150
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.05
#: The same model and rows, with nothing of ours; it says a line and waits for its input to end.
_BARE = """
import sys, pandas
from skops.io import get_untrusted_types, load
model = load(sys.argv[1], trusted=get_untrusted_types(file=sys.argv[1]))
model.predict(pandas.read_pickle(sys.argv[2]))
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Memory:
    """Of one process, in MB."""

    pss: float
    uss: float
    rss: float

    @classmethod
    def of(cls, pid: int) -> Memory:
        """What it holds now."""
        found = psutil.Process(pid).memory_full_info()
        return cls(found.pss / 2**20, found.uss / 2**20, found.rss / 2**20)

    def __str__(self) -> str:
        return f"PSS {self.pss:6.1f}  USS {self.uss:6.1f}  RSS {self.rss:6.1f} MB"


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rest", description=__doc__)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--seconds", type=int, default=60, help="of idleness that are measured")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="jd-") as folder, stack(Path(folder) / "home") as one:
        for name in asked.models:
            _deploy(name, Path(folder))
        time.sleep(_SETTLE_SECONDS)
        _control(one)
        for name in asked.models:
            _replica(one, name, Path(folder))
        _idle(one, asked.seconds)
    return 0


def _deploy(name: str, folder: Path) -> None:
    frame, target = churn_data() if name == "churn" else cancer_data()
    deploy(unfitted(name).fit(frame, target), name, sample=frame)
    frame.head(20).to_pickle(folder / f"{name}.rows")


def _control(one: Stack) -> None:
    status = one.client.status()
    supervisor = Memory.of(status.supervisor.pid)
    gateways = [Memory.of(pid) for pid in status.gateway.pids]
    _say("supervisor", supervisor)
    for gateway in gateways:
        _say("gateway", gateway)
    print(f"supervisor and gateway: {sum(p.pss for p in (supervisor, *gateways)):.0f} MB (PSS)")
    for process in _launchers(one):
        _say("launcher", Memory.of(process.pid))


def _launchers(one: Stack) -> list[psutil.Process]:
    # A replica that was forked has its launcher's arguments.
    named = [p for p in ours(one.home) if "jupyter_deploy.replica.launcher" in p.cmdline()]
    return [process for process in named if process.ppid() not in {p.pid for p in named}]


def _replica(one: Stack, name: str, folder: Path) -> None:
    (pid,) = one.replica_pids(name, "1.0.0")
    spec = _spec(one, pid)
    _say(f"{name}, replica as it runs", Memory.of(pid))
    rows = str(folder / f"{name}.rows")
    with _bare(str(Path(spec.model) / spec.file), rows) as other:
        bare = Memory.of(other)
    _say(f"{name}, bare process", bare)
    with _plain(spec, folder) as other:
        plain = Memory.of(other)
    _say(f"{name}, replica started plainly", plain)
    more = plain.uss - bare.uss
    print(f"{name}: {more:+.1f} MB (USS) beside its libraries, when started plainly")


def _spec(one: Stack, pid: int) -> ReplicaSpec:
    (note,) = (
        note
        for note in (one.home / "processes").glob("replica-*.pid")
        if int(note.read_text().split()[0]) == pid
    )
    return ReplicaSpec.read(note.with_suffix(".json"))


@contextlib.contextmanager
def _bare(model: str, rows: str) -> Iterator[int]:
    command = [sys.executable, "-c", _BARE, model, rows]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


@contextlib.contextmanager
def _plain(spec: ReplicaSpec, folder: Path) -> Iterator[int]:
    """A replica of the same version that no launcher has forked."""
    place = folder / "plain.json"
    place.unlink(missing_ok=True)
    own = replace(spec, socket=str(folder / "plain.sock"), report=str(folder / "plain.report"))
    own.write(place)
    command = [sys.executable, "-m", "jupyter_deploy.replica", str(place)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not Path(own.socket).exists() and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _idle(one: Stack, seconds: float) -> None:
    """The processor time of each process, and of those that end meanwhile as far as it was seen."""
    before, began = _times(one), time.monotonic()
    time.sleep(seconds)
    after, lasted = _times(one), time.monotonic() - began
    used = {pid: spent - before.get(pid, 0.0) for pid, spent in after.items()}
    status = one.client.status()
    named = {status.supervisor.pid: "supervisor", **dict.fromkeys(status.gateway.pids, "gateway")}
    for pid, spent in used.items():
        print(f"idle, {named.get(pid, 'launcher or replica')}: {spent / lasted:.2%} of one core")
    print(f"idle, all {len(used)} processes: {sum(used.values()) / lasted:.2%} of one core")


def _times(one: Stack) -> dict[int, float]:
    return {process.pid: cpu_seconds(process.pid) for process in ours(one.home)}


def _say(what: str, memory: Memory) -> None:
    print(f"{what:34} {memory}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
