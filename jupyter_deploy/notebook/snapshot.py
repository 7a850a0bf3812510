"""What of a notebook could be deployed, for the sidebar: the models, the functions and the frames.

Rule 1: a value is asked for its type and for what its `__dict__` holds, and for nothing else: no
repr, no length, no property of a foreign class.  Rule 2: nothing is imported.  Rule 3: the look
ends after MAX_SECONDS or MAX_FOUND finds, and says so.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_deploy import __version__

MIME = "application/vnd.jupyter-deploy.models+json"
MAX_SECONDS = 0.02
MAX_FOUND = 100
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variable that `%deploy` takes.

    `kind` is "estimator" or "function"; `fitted` is None where that cannot be seen; `frame` is the
    variable that has the columns which the model was fitted on, and `rows` its length.
    """

    name: str
    kind: str
    type: str
    fitted: bool | None = None
    columns: int | None = None
    frame: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`loaded` says that %deploy is there; `cut` that the look ended early."""

    version: str
    loaded: bool
    candidates: tuple[Candidate, ...]
    cut: bool = False

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {MIME: asdict(self), "text/plain": f"{len(self.candidates)} candidates"}


def snapshot(shell: Any, clock: Callable[[], float] = time.thread_time) -> Snapshot:
    """What the namespace of `shell` holds now; takes about MAX_SECONDS at most.

    Those are of this thread's work: on a busy machine a look would else end before it has begun.
    """
    ends = clock() + MAX_SECONDS
    names = _own_names(shell)
    found: list[Candidate] = []
    for name, value in names.items():
        if clock() > ends or len(found) == MAX_FOUND:
            return Snapshot(__version__, _has_magic(shell), tuple(found), cut=True)
        candidate = _candidate(name, value, names)
        if candidate is not None:
            found.append(candidate)
    return Snapshot(__version__, _has_magic(shell), tuple(found))


def _own_names(shell: Any) -> dict[str, Any]:
    hidden = shell.user_ns_hidden
    namespace = list(shell.user_ns.items())
    return {name: value for name, value in namespace if name[0] != "_" and name not in hidden}


def _has_magic(shell: Any) -> bool:
    return shell.find_line_magic("deploy") is not None


def _candidate(name: str, value: Any, names: Mapping[str, Any]) -> Candidate | None:
    kind = type(value)
    if kind is types.FunctionType:
        own = value.__module__ == "__main__"
        return Candidate(name, "function", "function") if own else None
    ours = kind.__module__.partition(".")[0] == "jupyter_deploy"
    if ours or isinstance(value, type) or not callable(getattr(kind, "predict", None)):
        return None
    columns = _fitted_columns(value)
    frame = _frame_with(columns, names) if columns else None
    return Candidate(
        name=name,
        kind="estimator",
        type=kind.__name__,
        fitted=_fitted(value),
        columns=len(columns) if columns else None,
        frame=frame[0] if frame else None,
        rows=frame[1] if frame else None,
    )


def _fitted(model: Any, depth: int = 0) -> bool | None:
    """Whether scikit-learn's naming says so: a fitted estimator has attributes that end in `_`."""
    kind = type(model)
    if not (hasattr(kind, "fit") and hasattr(kind, "get_params")):
        return None
    held = _held(model)
    steps = held.get("steps")
    if isinstance(steps, list) and steps and depth < _MAX_DEPTH:
        return _fitted(steps[-1][1], depth + 1)
    return any(name.endswith("_") and not name.startswith("__") for name in held)


def _fitted_columns(model: Any, depth: int = 0) -> list[str] | None:
    held = _held(model)
    names = held.get("feature_names_in_")
    if names is not None:
        return [str(name) for name in names]
    steps = held.get("steps")
    if isinstance(steps, list) and steps and depth < _MAX_DEPTH:
        return _fitted_columns(steps[0][1], depth + 1)
    return None


def _held(value: Any) -> dict[str, Any]:
    held = getattr(value, "__dict__", None)
    return held if isinstance(held, dict) else {}


def _frame_with(columns: list[str], names: Mapping[str, Any]) -> tuple[str, int] | None:
    """The frame with just these columns, else one that has them all, by the longest."""
    wanted = set(columns)
    ranked = [
        (len(present) != len(columns), -rows, name)
        for name, present, rows in _frames(names)
        if wanted <= set(present)
    ]
    if not ranked:
        return None
    _, rows, name = min(ranked)
    return name, -rows


def _frames(names: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], int]]:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return
    for name, value in names.items():
        if isinstance(value, pandas.DataFrame) and len(value):
            yield name, value.columns.tolist(), len(value)
