"""What a replica is told when it starts: one JSON file, written by the supervisor.

Standard library only.  The form of the input repeats what `core.contract` says, because a replica
imports nothing of ours but `wire`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: Exit status of a replica that cannot load or warm its model: starting it again will not help now.
EXIT_CANNOT_LOAD = 78


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of the frame that the model is called with."""

    name: str
    type: str
    dtype: str


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The array that the model is called with: `shape` is that of one row."""

    type: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """All that a replica needs.

    `socket` appears (by rename) once the model is loaded and warm; `report` is written before
    that: {"packages": {name: version}, "load_seconds": s} when it went well, {"stage": "load" or
    "warm", "type", "message", "trace"} when not, and then the exit status is EXIT_CANNOT_LOAD.
    `loader` is one of "skops", "cloudpickle", "pyfunc"; `warmup` a file that holds the payload of a
    PREDICT frame, or None.
    """

    socket: str
    report: str
    model: str
    loader: str
    file: str
    trusted: tuple[str, ...]
    function: bool
    form: str
    columns: tuple[ColumnSpec, ...]
    tensor: TensorSpec | None
    probabilities: bool
    warmup: str | None

    def write(self, path: Path) -> None:
        """Write this as JSON (0600)."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> ReplicaSpec:
        """The spec in `path`.  Raises OSError, ValueError or TypeError."""
        fields: dict[str, Any] = json.loads(path.read_text())
        fields["trusted"] = tuple(fields["trusted"])
        fields["columns"] = tuple(ColumnSpec(**column) for column in fields["columns"])
        if fields["tensor"] is not None:
            tensor = fields["tensor"]
            fields["tensor"] = TensorSpec(tensor["type"], tensor["dtype"], tuple(tensor["shape"]))
        return cls(**fields)
