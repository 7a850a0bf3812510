"""What a peer is: how it is set up, started, asked and understood.

Rule 1: a peer's file says all about it: packages, settings, and the server's own code where it
needs some; the harness knows none of them.  Rule 2: a peer is given its best: the settings found to
be fastest here, one worker each, telemetry off, loopback only.  Rule 3: this file and the peers'
descriptions need the standard library only.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import Fitted, Kind


@dataclass(frozen=True)
class Place:
    """Where one peer serves one model: its interpreter, a scratch folder, a free port."""

    python: Path
    scratch: Path
    port: int
    fitted: Fitted

    @property
    def url(self) -> str:
        """The root of the server, on loopback."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Target:
    """What a single-row request is sent to: a path, headers, and one body for each of the rows."""

    path: str
    bodies: list[str]
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class Peer(ABC):
    """One server of the comparison."""

    name: ClassVar[str]
    title: ClassVar[str]
    #: The distribution whose version the table shows.
    distribution: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    #: What was set, in one sentence for the table.
    settings: ClassVar[str]
    #: Set for the server beside THREADS.
    fixed_variables: ClassVar[dict[str, str]] = {}

    def refuses(self, kind: Kind) -> str:
        """Why this peer cannot serve such a model; empty when it can."""
        return ""

    def prepare(self, place: Place) -> list[list[str]]:
        """Commands to run before the clock starts: saving the model in the peer's own form."""
        return []

    def variables(self, place: Place) -> dict[str, str]:
        """The environment variables of the server, beside THREADS."""
        return dict(self.fixed_variables)

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """The command that serves the model on `place.port`."""

    @abstractmethod
    def target(self, place: Place) -> Target:
        """Single-row requests; raises NotYet while what they need (a key, say) is not there."""

    @abstractmethod
    def labels(self, answer: bytes) -> list[Any]:
        """The labels in an answer."""

    def extra_command(self, place: Place) -> list[str] | None:
        """A command to run after the loads, for what `extra` tells."""
        return None

    def extra(self, place: Place) -> dict[str, float]:
        """More figures, by name."""
        return {}

    def stop(self, place: Place) -> list[str] | None:
        """A command that ends the server in its own way; the harness ends what is left."""
        return None


class NotYet(RuntimeError):
    """The server has not come so far."""


#: One thread for each numeric library: on few cores a pool for a single row only costs time.
THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def own_server(place: Place, module: str) -> list[str]:
    """The command for a peer whose server is the `main` of its own file."""
    return [
        str(place.python),
        "-m",
        f"benchmarks.peers.{module}",
        place.fitted.folder,
        str(place.port),
    ]


def each_row(place: Place, key: str) -> list[str]:
    """One body for each row: {key: row}; the server makes the batch."""
    return [json.dumps({key: row}) for row in place.fitted.rows]


def invocations(place: Place) -> list[str]:
    """One body for each row as our endpoint takes it: plain rows of floats, or a frame of one."""
    fitted = place.fitted
    if fitted.kind.numeric:
        return [json.dumps({"instances": [row]}) for row in fitted.rows]
    frames = [{"columns": fitted.columns, "data": [row]} for row in fitted.rows]
    return [json.dumps({"dataframe_split": frame}) for frame in frames]
