"""The command: sets up, measures in turn, and writes the table.

Rule 1: for each model, the peers run one after the other, never two at once, ours among them: the
ratios are of one run and of neighbouring minutes.  Rule 2: results are written after each cell, so
that an interrupted run has its table.  Rule 3: a peer that fails is in the table with its reason.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environments, models, table
from benchmarks.environments import COMMON, Environment, EnvironmentFailed
from benchmarks.peer import Peer, Place
from benchmarks.peers.bento import BentoMl
from benchmarks.peers.echo import Echo
from benchmarks.peers.lit import LitServe
from benchmarks.peers.ml_server import MlServer
from benchmarks.peers.mlflow_serve import MlflowServe
from benchmarks.peers.ours import Compiled, Ours
from benchmarks.peers.ray_serve import RayServe
from benchmarks.session import TESTS, Plan, free_port, measure

FIT_SECONDS = 600.0
#: In the order of the table: the limit first, ours last.
PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Echo(),
        MlflowServe(),
        MlServer(),
        LitServe(),
        BentoMl(),
        RayServe(),
        Ours(),
        Compiled(),
    )
}


def main() -> int:
    """Run what the arguments ask for; 0 when every cell has figures."""
    asked = _arguments()
    if asked.table:
        _write_table(asked.out, json.loads((asked.out / "results.json").read_text()), None)
        return 0
    # As Ctrl-C does: whoever ends the run ends the server that is being measured.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    run = Run(asked)
    run.set_up()
    run.fit()
    run.measure()
    run.write()
    _say(f"\n{asked.out / 'table.md'}")
    return 1 if any(cell["problem"] for cell in run.results["cells"]) else 0


class Run:
    """One run: its environments, models and results."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        self.out: Path = asked.out.absolute()
        self.out.mkdir(parents=True, exist_ok=True)
        self.plan = Plan(
            connections=tuple(asked.connections),
            seconds=asked.seconds,
            warm_up_seconds=min(asked.warm_up, asked.seconds),
            idle_seconds=min(5.0, asked.seconds),
        )
        self.peers = {name: PEERS[name] for name in PEERS if name in asked.only}
        self.models = [models.KINDS[name] for name in models.KINDS if name in asked.models]
        self.environments: dict[str, Environment] = {}
        self.results: dict[str, Any] = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "machine": machine(),
            "plan": asdict(self.plan),
            "rows": models.ROWS,
            "common": dict(name.split("==") for name in COMMON),
            "peers": {},
            "models": {},
            "cells": [],
            "notes": [],
        }

    def set_up(self) -> None:
        """An environment for each peer; one that cannot be made is left out, with a note."""
        torch = any(kind.torch for kind in self.models)
        for name in dict.fromkeys((*self.peers, "ours")):
            peer = PEERS[name]
            _say(f"environment of {peer.title} ...")
            try:
                self._add(peer, torch=torch)
            except EnvironmentFailed as error:
                if name == "ours":
                    raise
                self.results["notes"].append(f"{peer.title} could not be installed: {error}")
                del self.peers[name]

    def _add(self, peer: Peer, *, torch: bool) -> None:
        try:
            made = environments.environment(
                self.asked.envs, peer.name, peer.packages, torch=torch and peer.name != "echo"
            )
        except EnvironmentFailed as error:
            if not torch:
                raise
            _say(f"  without torch: {error}")
            self.models = [kind for kind in self.models if not kind.torch]
            self.results["notes"].append("PyTorch could not be installed; its model is left out")
            made = environments.environment(self.asked.envs, peer.name, peer.packages, torch=False)
        self.environments[peer.name] = made
        if peer.name in self.peers:
            version = _version(peer, made)
            self.results["peers"][peer.name] = {
                "title": peer.title,
                "version": version,
                "settings": peer.settings,
            }

    def fit(self) -> None:
        """Fit every model once, in our environment, with its times in process."""
        names = [kind.name for kind in self.models]
        _say(f"fitting {', '.join(names)} ...")
        subprocess.run(
            [self.environments["ours"].python, "-m", "benchmarks.models", self.folder, *names],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            check=True,
            timeout=FIT_SECONDS,
        )
        for kind in self.models:
            fitted = models.read(self.folder / kind.name)
            self.results["models"][kind.name] = {
                "title": kind.title,
                "in_process": asdict(fitted.in_process),
            }

    @property
    def folder(self) -> Path:
        """Where the fitted models are."""
        return self.out / "models"

    def measure(self) -> None:
        """Each model on each peer in turn."""
        for number, kind in enumerate(self.models):
            for peer in self.peers.values():
                _say(f"{peer.title}, {kind.name}")
                self._measure(peer, kind.name, confirm=number == 0)
                self.write()

    def _measure(self, peer: Peer, model: str, *, confirm: bool) -> None:
        connections = _middle(self.plan.connections) if confirm and shutil.which("h2load") else None
        plan = Plan(**{**asdict(self.plan), "confirm_connections": connections})
        # A short path: our sockets and Ray's lie below it.
        scratch = Path(tempfile.mkdtemp(prefix="jdb-"))
        python = self.environments[peer.name].python
        try:
            place = Place(python, scratch, free_port(), models.read(self.folder / model))
            cell = measure(peer, place, plan, _say)
            if cell.problem:
                _say(f"  {cell.problem}")
                # A peer that refuses the model was never started.
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(scratch / "server.log", self.out / f"{peer.name}-{model}.log")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self.results["cells"].append(asdict(cell))

    def write(self) -> None:
        """results.json, table.md and table.png, as far as the run has come."""
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1))
        _write_table(self.out, self.results, self.environments["ours"].python)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(peer: Peer, made: Environment) -> str:
    if peer.distribution != Ours.distribution:
        return made.versions().get(peer.distribution, "")
    head = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=TESTS,
        check=False,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return head.stdout.strip()


def _middle(connections: tuple[int, ...]) -> int:
    return 64 if 64 in connections else connections[-1]


def _write_table(out: Path, results: table.Results, python: Path | None) -> None:
    (out / "table.md").write_text(table.markdown(results))
    python = python or environments.default_folder() / "ours" / "bin" / "python"
    subprocess.run(
        [python, "-m", "benchmarks.plot", out / "results.json", out / "table.png"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
        timeout=120,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", metavar="PEER", choices=PEERS, default=list(PEERS), help="which peers")
    add(
        "--models",
        nargs="+",
        metavar="MODEL",
        choices=models.KINDS,
        default=list(models.KINDS),
        help="which models: " + ", ".join(models.KINDS),
    )
    add("--seconds", type=int, default=10, help="of load for each cell (default %(default)s)")
    add("--warm-up", type=int, default=2, help="seconds before each cell (default %(default)s)")
    add("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    results = environments.default_folder() / "results"
    add("--out", type=Path, default=results, help="folder of the results")
    add("--envs", type=Path, default=environments.default_folder(), help="folder of environments")
    add("--table", action="store_true", help="only write the table of --out again")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}" if text.strip() else text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
