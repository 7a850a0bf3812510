"""What a replica is told when it starts: one JSON file, written by the supervisor.

Standard library only.  The form of the input repeats what `core.contract` says, because a replica
imports nothing of ours but `wire`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

#: One category of a categorical column.
Level = str | int | float | bool

#: Exit status of a replica that cannot load or warm its model: starting it again will not help now.
EXIT_CANNOT_LOAD = 78
#: The disk is full, which says nothing of the model (EX_CANTCREAT of sysexits.h).
EXIT_NO_ROOM = 73


class ColumnLike(Protocol):
    """What a replica needs to know of a column: `core.contract.Column` has it."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the fields are those of ColumnSpec
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def dtype(self) -> str: ...  # noqa: D102
    @property
    def levels(self) -> tuple[Level, ...] | None: ...  # noqa: D102
    @property
    def ordered(self) -> bool: ...  # noqa: D102
    @property
    def missing(self) -> str: ...  # noqa: D102
    @property
    def integer_name(self) -> bool: ...  # noqa: D102
    @property
    def nullable(self) -> bool: ...  # noqa: D102


class TensorLike(Protocol):
    """What a replica needs to know of an array: `core.contract.Tensor` has it."""

    @property
    def type(self) -> str: ...  # noqa: D102 - the fields are those of TensorSpec
    @property
    def dtype(self) -> str: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def container(self) -> str: ...  # noqa: D102
    @property
    def nullable(self) -> bool: ...  # noqa: D102


class CompiledLike(Protocol):
    """What a replica needs to know of a compiled form: `core.compiled.Compiled` has it."""

    @property
    def form(self) -> str: ...  # noqa: D102 - the fields are those of CompiledSpec
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def number(self) -> str: ...  # noqa: D102
    @property
    def separate(self) -> bool: ...  # noqa: D102
    @property
    def labels(self) -> str: ...  # noqa: D102
    @property
    def classes(self) -> tuple[Level, ...] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of the frame that the model is called with; see `core.contract.Column`."""

    name: str
    type: str
    dtype: str
    levels: tuple[Level, ...] | None = None
    ordered: bool = False
    missing: str = "nan"
    integer_name: bool = False
    nullable: bool = True

    @classmethod
    def of(cls, column: ColumnLike) -> ColumnSpec:
        """The part of a contract's column that a replica needs."""
        return cls(
            name=column.name,
            type=str(column.type),
            dtype=column.dtype,
            levels=column.levels,
            ordered=column.ordered,
            missing=column.missing,
            integer_name=column.integer_name,
            nullable=column.nullable,
        )


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The array that the model is called with: `shape` is that of one row."""

    type: str
    dtype: str
    shape: tuple[int, ...]
    container: str = "array"
    nullable: bool = True

    @classmethod
    def of(cls, tensor: TensorLike) -> TensorSpec:
        """The part of a contract's tensor that a replica needs."""
        return cls(str(tensor.type), tensor.dtype, tensor.shape, tensor.container, tensor.nullable)


@dataclass(frozen=True, slots=True)
class CompiledSpec:
    """A compiled form, at `path`, that is served in place of the model; see `core.compiled`."""

    path: str
    form: str
    kind: str
    number: str
    separate: bool
    labels: str
    classes: tuple[Level, ...] | None

    @classmethod
    def of(cls, compiled: CompiledLike, path: Path) -> CompiledSpec:
        """The part of a version's compiled form that a replica needs."""
        return cls(
            path=str(path),
            form=compiled.form,
            kind=compiled.kind,
            number=compiled.number,
            separate=compiled.separate,
            labels=compiled.labels,
            classes=compiled.classes,
        )


@dataclass(frozen=True, slots=True)
class ReplicaSpec:
    """All that a replica needs.

    `socket` appears (by rename) once the model is loaded and warm; `report` is written before
    that: {"packages": {name: version}, "load_seconds": s, "shortcuts": [name],
    "not_compiled": why} when it went well (the last one where `compiled` cannot be loaded, and the
    model is served as is),
    {"stage": "load" or "warm", "type", "message", "trace"} when not, and then the exit status is
    EXIT_CANNOT_LOAD.
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
    compiled: CompiledSpec | None = None

    def write(self, path: Path) -> None:
        """Write this as JSON (0600)."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> ReplicaSpec:
        """The spec in `path`.  Raises OSError, ValueError or TypeError."""
        fields: dict[str, Any] = json.loads(path.read_text())
        fields["trusted"] = tuple(fields["trusted"])
        fields["columns"] = tuple(_column(column) for column in fields["columns"])
        if fields["tensor"] is not None:
            tensor = fields["tensor"]
            fields["tensor"] = TensorSpec(**tensor | {"shape": tuple(tensor["shape"])})
        if fields.get("compiled") is not None:
            fields["compiled"] = _compiled(fields["compiled"])
        return cls(**fields)


def _compiled(fields: dict[str, Any]) -> CompiledSpec:
    classes = fields["classes"]
    return CompiledSpec(**fields | {"classes": None if classes is None else tuple(classes)})


def _column(fields: dict[str, Any]) -> ColumnSpec:
    levels = fields.get("levels")
    return ColumnSpec(**fields | {"levels": None if levels is None else tuple(levels)})
