"""What of a notebook could be deployed, for the sidebar: the models, the functions and the frames.

Rule 1: a value is asked for its type and for what its `__dict__` holds, and for nothing else: no
repr, no length, no property of a foreign class.  Rule 2: nothing is imported.  Rule 3: the look
ends after MAX_SECONDS, and no more than MAX_FOUND finds are given; both are said.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from jupyter_deploy import __version__

MIME = "application/vnd.jupyter-deploy.models+json"
MAX_SECONDS = 0.02
MAX_FOUND = 1000
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
    """`loaded` says that %deploy is there; `count` how many candidates were seen, given or not.

    `cut` says that the look ended before it had seen all: there may be more than `count`.
    """

    version: str
    loaded: bool
    candidates: tuple[Candidate, ...]
    count: int
    cut: bool = False

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {MIME: asdict(self), "text/plain": f"{len(self.candidates)} candidates"}


def snapshot(shell: Any, clock: Callable[[], float] = time.thread_time) -> Snapshot:
    """What the namespace of `shell` holds now; takes about MAX_SECONDS at most.

    Those are of this thread's work: on a busy machine a look would else end before it has begun.
    """
    began = clock()
    names = _own_names(shell)
    # Half of the time at most: a model without its frame is worth more than none.
    frames = list(takewhile(lambda _: clock() < began + MAX_SECONDS / 2, _frames(names)))
    found: list[Candidate] = []
    count, cut = 0, False
    for name, value in names.items():
        if clock() > began + MAX_SECONDS:
            cut = True
            break
        kind = _kind(value)
        if kind is None:
            continue
        count += 1
        if count <= MAX_FOUND:
            found.append(_candidate(name, kind, value, frames))
    return Snapshot(__version__, _has_magic(shell), tuple(found), count, cut)


def _own_names(shell: Any) -> dict[str, Any]:
    hidden = shell.user_ns_hidden
    namespace = list(shell.user_ns.items())
    return {name: value for name, value in namespace if name[0] != "_" and name not in hidden}


def _has_magic(shell: Any) -> bool:
    return shell.find_line_magic("deploy") is not None


def _kind(value: Any) -> Literal["estimator", "function"] | None:
    kind = type(value)
    if kind is types.FunctionType:
        return "function" if value.__module__ == "__main__" else None
    ours = kind.__module__.partition(".")[0] == "jupyter_deploy"
    if ours or isinstance(value, type) or not callable(getattr(kind, "predict", None)):
        return None
    return "estimator"


def _candidate(name: str, kind: str, value: Any, frames: Iterable[_Frame]) -> Candidate:
    if kind == "function":
        return Candidate(name, kind, "function")
    try:
        return _estimator(name, kind, value, frames)
    except Exception:  # noqa: BLE001 - a foreign class means by `steps` what it likes
        return Candidate(name, kind, type(value).__name__)


def _estimator(name: str, kind: str, value: Any, frames: Iterable[_Frame]) -> Candidate:
    columns = _fitted_columns(value)
    frame = _frame_with(columns, frames) if columns else None
    return Candidate(
        name=name,
        kind=kind,
        type=type(value).__name__,
        fitted=_fitted(value),
        columns=len(columns) if columns else None,
        frame=frame.name if frame else None,
        rows=frame.rows if frame else None,
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


class _Frame(NamedTuple):
    name: str
    columns: frozenset[Any]
    width: int
    rows: int


def _frame_with(columns: list[str], frames: Iterable[_Frame]) -> _Frame | None:
    """The frame with just these columns, else one that has them all, by the longest."""
    wanted = frozenset(columns)
    return min(
        (one for one in frames if wanted <= one.columns),
        key=lambda one: (one.width != len(columns), -one.rows, one.name),
        default=None,
    )


def _frames(names: Mapping[str, Any]) -> Iterator[_Frame]:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return
    for name, value in names.items():
        if isinstance(value, pandas.DataFrame) and len(value):
            columns = value.columns.tolist()
            yield _Frame(name, frozenset(columns), len(columns), len(value))
