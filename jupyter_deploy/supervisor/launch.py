"""What a replica of a version is told, and what it reports before it serves.

Rule: replicas are made from the version's folder and manifest alone, so that a version starts the
same way next year.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_deploy.client.files import remove
from jupyter_deploy.core.manifest import MODEL, SAMPLE, Manifest
from jupyter_deploy.replica.spec import ColumnSpec, CompiledSpec, ReplicaSpec, TensorSpec
from jupyter_deploy.supervisor.processes import Order, environment
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.wire.board import board_of

#: What the pools of BLAS, OpenMP (scikit-learn, boosting, torch) and numexpr go by.
_POOLS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)  # fmt: skip
_FILE = re.compile(r"replica-(\d+)-([0-9a-f]+)\.json")


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one replica process; `replica_id` is never used twice."""

    settings: Settings
    number: int
    token: str

    @property
    def replica_id(self) -> str:
        """The name of the process, in the gateway too."""
        return f"{self.number}-{self.token}"

    @property
    def spec(self) -> Path:
        """What it is told: its path is the last word of its argv."""
        return self.settings.processes / f"replica-{self.replica_id}.json"

    @property
    def report(self) -> Path:
        """What it says once it has loaded its model, or cannot."""
        return self.settings.processes / f"replica-{self.replica_id}.report"

    @property
    def socket(self) -> Path:
        """Where it listens; short, because a Unix socket's path may have 104 bytes."""
        return self.settings.run / f"r{self.replica_id}.sock"

    @property
    def cut_off(self) -> bool:
        """Whether it has loaded its model, and nobody can connect to it (any more)."""
        return self.report.exists() and not self.socket.exists()

    def remove(self) -> None:
        """Remove the files, as far as that is possible.  The process must have ended."""
        board = board_of(str(self.socket))
        for file in (self.spec, self.spec.with_suffix(".pid"), self.report, self.socket, board):
            remove(file)


def place_of(settings: Settings, file: str) -> Place | None:
    """The place whose spec has this name, or None."""
    match = _FILE.fullmatch(file)
    return None if match is None else Place(settings, int(match[1]), match[2])


def cores() -> int:
    """How many cores this process, and with it a replica, may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pool_sizes(cores: int, replicas: int) -> dict[str, str]:
    """The variables that give one of `replicas` its share of the `cores`.

    Each numeric library would take all of them for its pool, and replicas would fight.
    """
    return dict.fromkeys(_POOLS, str(max(1, cores // replicas)))


def prepare(place: Place, version: Version) -> Order:
    """Write what the replica is told; returns how to start it.  Raises OSError."""
    place.settings.put_back_folders()
    place.remove()
    folder = place.settings.versions / str(version.number)
    sample = folder / SAMPLE
    spec_of(place, version.manifest, folder / MODEL, sample if sample.exists() else None).write(
        place.spec
    )
    return Order(
        argv=[version.manifest.python, "-m", "jupyter_deploy.replica", str(place.spec)],
        environment=environment(version.manifest.environment),
        folder=place.settings.processes,
        log=place.settings.log_of(version.number),
    )


def spec_of(place: Place, manifest: Manifest, model: Path, warmup: Path | None) -> ReplicaSpec:
    """The manifest in the words of a replica."""
    contract, loader, compiled = manifest.contract, manifest.loader, manifest.compiled
    return ReplicaSpec(
        socket=str(place.socket),
        report=str(place.report),
        model=str(model),
        loader=loader.kind.value,
        file=loader.file,
        trusted=loader.trusted,
        function=loader.function,
        form=contract.form.value,
        columns=tuple(ColumnSpec.of(column) for column in contract.columns),
        tensor=None if contract.tensor is None else TensorSpec.of(contract.tensor),
        probabilities=contract.output.probabilities,
        warmup=None if warmup is None else str(warmup),
        compiled=None
        if compiled is None
        else CompiledSpec.of(compiled, model.parent / compiled.file),
    )


def remove_leftovers(settings: Settings, living: Set[str]) -> None:
    """Remove the files of replicas that ended while nobody watched: all but the specs `living`."""
    for spec in settings.processes.glob("replica-*.json"):
        place = place_of(settings, spec.name)
        if place is not None and spec.name not in living:
            place.remove()


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica reports: packages when it could load, the rest when it could not."""

    packages: dict[str, str] = field(default_factory=dict)
    load_seconds: float | None = None
    stage: str = ""
    type: str = ""
    message: str = ""
    #: Why the compiled form is not served, when it cannot be loaded.
    not_compiled: str = ""


def read_report(place: Place) -> Report | None:
    """The report, or None when the replica ended before it could write one."""
    try:
        said: dict[str, Any] = json.loads(place.report.read_text())
        return Report(
            packages={str(name): str(found) for name, found in said.get("packages", {}).items()},
            load_seconds=said.get("load_seconds"),
            stage=str(said.get("stage", "")),
            type=str(said.get("type", "")),
            message=str(said.get("message", "")),
            not_compiled=str(said.get("not_compiled", "")),
        )
    except (OSError, ValueError, AttributeError):
        return None
