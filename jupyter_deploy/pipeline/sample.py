"""The sample: rows as the model gets them, given by the person or found in the notebook.

Rule 1: what was given is used or refused, never replaced.  Rule 2: what is found has exactly the
columns that the model was fitted on, and the card says which variable it was.  Rule 3: at most
MAX_ROWS rows are kept; they are chosen to show what occurs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jupyter_deploy.errors import SampleMismatch
from jupyter_deploy.pipeline.resolve import Subject, SubjectKind

MAX_ROWS = 256
MAX_TRIES = 8
_EDGE_ROWS, _SPREAD_ROWS, _CATEGORIES_A_COLUMN, _COLUMNS_LOOKED_AT = 16, 64, 16, 256
_USUAL_NAMES = ("x_train", "train_x", "xtrain", "train", "x", "x_test", "features", "df", "data")


@dataclass(frozen=True, slots=True)
class Sample:
    """All the rows there are, how the model is given them, and where they came from in words.

    `container` is "frame", "array", "series" or "list"; `note` what the card should say;
    `from_mlflow` that these are the few example rows of a model in MLflow.
    """

    data: Any
    container: str
    origin: str
    note: str = ""
    from_mlflow: bool = False


def given_sample(value: Any, subject: Subject) -> Sample:
    """The sample that the person named.  Raises SampleMismatch."""
    data, container = _as_rows(value)
    if container != "list" and len(data) == 0:
        raise SampleMismatch("The sample has no rows.", "Give at least one row.")
    data, note = _fitting(data, container, subject)
    return Sample(data, container, f"the sample given, {_counted(data)}", note)


def found_sample(
    namespace: Mapping[str, Any], subject: Subject, works: Callable[[Sample], bool]
) -> Sample | None:
    """The frame or array of the notebook that the model was most likely fitted on, or None.

    `works` says whether the model answers to some rows of a candidate: it is asked where the model
    does not know its columns.
    """
    if subject.kind is SubjectKind.FUNCTION:
        return None
    if subject.names is not None:
        return _best(_frames_with(namespace, subject.names))
    if subject.width is not None:
        best = _best(_arrays_of(namespace, subject.width))
        return best and replace(best, data=_as_rows(best.data)[0])
    return next(filter(works, _usual(namespace)), None)


def rows_to_keep(data: Any) -> list[int]:
    """The numbers of at most MAX_ROWS rows: both ends, spread, missing, extreme, of each kind."""
    total = len(data)
    if total <= MAX_ROWS:
        return list(range(total))
    chosen: dict[int, None] = {}
    edges = (*range(_EDGE_ROWS), *range(total - _EDGE_ROWS, total))
    for row in (*edges, *_spread(total, _SPREAD_ROWS), *_telling(data), *_spread(total, MAX_ROWS)):
        chosen.setdefault(int(row))
        if len(chosen) == MAX_ROWS:
            break
    return sorted(chosen)


def _spread(total: int, count: int) -> list[int]:
    return [int(row) for row in np.linspace(0, total - 1, count)]


def take(data: Any, rows: list[int]) -> Any:
    """Those rows, in the container they are in."""
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    return data[rows] if isinstance(data, np.ndarray) else [data[row] for row in rows]


def _as_rows(value: Any) -> tuple[Any, str]:
    pandas = sys.modules.get("pandas")
    # Of polars: nothing else with these names has that method.
    if type(value).__name__ in ("DataFrame", "Series") and hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return value, "frame"
    if pandas is not None and isinstance(value, pandas.Series):
        return value, "series"
    if hasattr(value, "toarray"):
        return _dense(value), "array"
    if isinstance(value, np.ndarray) and value.ndim:
        return value, "array"
    if isinstance(value, (list, tuple)) and value:
        return _list_rows(list(value))
    raise SampleMismatch(
        f"The sample is of type {type(value).__name__}, not rows.",
        "Give a DataFrame, a Series, an array or a list, as for predict.",
    )


def _dense(sparse: Any) -> Any:
    """Rows of a sparse matrix with their zeros; a large one would fill the memory with them."""
    total = sparse.shape[0]
    rows = sparse if total <= MAX_ROWS else sparse.tocsr()[_spread(total, MAX_ROWS)]
    return np.asarray(rows.toarray())


def _list_rows(rows: list[Any]) -> tuple[Any, str]:
    if all(isinstance(row, dict) for row in rows):
        import pandas as pd

        return pd.DataFrame(rows), "frame"
    return rows, "list"


def _fitting(data: Any, container: str, subject: Subject) -> tuple[Any, str]:
    if subject.names is not None:
        if container != "frame":
            given = type(data).__name__
            raise SampleMismatch(
                f"The model was fitted on a DataFrame; the sample is of type {given}.",
                f"Give a DataFrame with the columns {_listed(subject.names)}.",
            )
        return _model_columns(data, subject.names)
    width = _width(data, container)
    if subject.width is not None and width is not None and width != subject.width:
        raise SampleMismatch(
            f"The model was fitted on {subject.width} columns; the sample has {width}.",
            "Give rows as the model was fitted on.",
        )
    return data, ""


def _model_columns(frame: Any, names: tuple[str, ...]) -> tuple[Any, str]:
    present = [str(name) for name in frame.columns]
    names = _as_written(names, present)
    missing = [name for name in names if name not in set(present)]
    extra = [name for name in present if name not in set(names)]
    if missing:
        also = f", and has {_listed(extra)} instead" if extra else ""
        raise SampleMismatch(
            f"The sample lacks the columns {_listed(missing)}{also}.",
            f"Give a frame with the {len(names)} columns that the model was fitted on.",
        )
    note = f"of the sample's columns the model does not use {_listed(extra)}" if extra else ""
    return frame[list(names)], note


def _as_written(names: tuple[str, ...], present: list[str]) -> tuple[str, ...]:
    """A model's names as a frame with the columns `present` writes them.

    LightGBM remembers a blank in a name as an underscore.
    """
    known = set(present)
    written = {name.replace(" ", "_"): name for name in present}
    return tuple(name if name in known else written.get(name, name) for name in names)


def _width(data: Any, container: str) -> int | None:
    if container == "list":
        return (
            len(data[0]) if hasattr(data[0], "__len__") and not isinstance(data[0], str) else None
        )
    return int(data.shape[1]) if data.ndim == 2 else None


def _listed(names: Any) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _counted(data: Any) -> str:
    return f"{len(data)} rows"


def _public(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(namespace.items()):
        if not name.startswith("_"):
            yield name, value


def _frames_with(
    namespace: Mapping[str, Any], names: tuple[str, ...]
) -> Iterator[tuple[tuple[Any, ...], Sample]]:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return
    for name, frame in _public(namespace):
        if not isinstance(frame, pandas.DataFrame) or len(frame) == 0:
            continue
        if not frame.columns.is_unique:
            continue
        present = frame.columns.tolist()
        strings = [column for column in present if isinstance(column, str)]
        wanted = list(_as_written(names, strings))
        if not set(wanted) <= set(strings):
            continue
        exact = len(present) == len(wanted)
        rank = (not exact, _name_rank(name), -len(frame))
        origin = f"frame {name}, {_counted(frame)}"
        if not exact:
            origin += f", {len(wanted)} of its {len(present)} columns"
        yield rank, Sample(frame if present == wanted else frame[wanted], "frame", origin)


def _arrays_of(
    namespace: Mapping[str, Any], width: int
) -> Iterator[tuple[tuple[Any, ...], Sample]]:
    pandas = sys.modules.get("pandas")
    for name, value in _public(namespace):
        # Its type is asked: a foreign object may raise what it likes for a name it does not know.
        is_sparse = hasattr(type(value), "tocsr") and hasattr(type(value), "toarray")
        is_array = isinstance(value, np.ndarray) or is_sparse
        unnamed = pandas is not None and isinstance(value, pandas.DataFrame) and _numbered(value)
        if not (is_array or unnamed) or value.ndim != 2 or value.shape[1] != width:
            continue
        rows = value.shape[0]
        if rows and (unnamed or value.dtype.kind in "biufOU"):
            kind = "array" if is_array else "frame"
            told = f"{'sparse matrix' if is_sparse else kind} {name}, {rows} rows"
            yield (_name_rank(name), -rows), Sample(value, kind, told)


def _numbered(frame: Any) -> bool:
    """Whether the columns have numbers for names, each one of its own.

    A model that was fitted on such a frame knows no names.
    """
    numbers = all(isinstance(column, (int, np.integer)) for column in frame.columns)
    return numbers and bool(frame.columns.is_unique)


def _usual(namespace: Mapping[str, Any]) -> list[Sample]:
    """Candidates by the names that people give, for a model that does not know its columns."""
    pandas = sys.modules.get("pandas")
    kinds = (np.ndarray, *((pandas.DataFrame, pandas.Series) if pandas is not None else ()))
    ranked = []
    for name, value in _public(namespace):
        rank = _name_rank(name)
        is_list = isinstance(value, list) and bool(value) and isinstance(value[0], str)
        has_rows = isinstance(value, kinds) and value.ndim > 0 and len(value) > 0
        if rank == len(_USUAL_NAMES) or not (has_rows or is_list):
            continue
        data, container = _as_rows(value)
        ranked.append((rank, Sample(data, container, f"{container} {name}, {_counted(data)}")))
    ranked.sort(key=lambda pair: pair[0])
    return [sample for _, sample in ranked[:MAX_TRIES]]


def _name_rank(name: str) -> int:
    lowered = name.lower()
    return _USUAL_NAMES.index(lowered) if lowered in _USUAL_NAMES else len(_USUAL_NAMES)


def _best(candidates: Iterator[tuple[tuple[Any, ...], Sample]]) -> Sample | None:
    best = min(candidates, key=lambda pair: pair[0], default=None)
    return None if best is None else best[1]


def _telling(data: Any) -> Iterator[int]:
    """Rows that show something of a column: a missing value, an extreme, a category."""
    if hasattr(data, "columns"):
        columns = [data.iloc[:, index] for index in range(min(data.shape[1], _COLUMNS_LOOKED_AT))]
        return _alternating([_telling_rows(column) for column in columns])
    if isinstance(data, np.ndarray) and data.ndim == 2 and data.dtype.kind in "biuf":
        columns = [data[:, index] for index in range(min(data.shape[1], _COLUMNS_LOOKED_AT))]
        return _alternating([_extreme_rows(column) for column in columns])
    return iter(())


def _alternating(lists: list[list[int]]) -> Iterator[int]:
    """The first of each list, then the second of each, so that no column is left out."""
    for place in range(max(map(len, lists), default=0)):
        yield from (rows[place] for rows in lists if place < len(rows))


def _telling_rows(column: Any) -> list[int]:
    part = column.iloc[:100_000]
    rows = _first(part.isna().to_numpy(), 2)
    if part.dtype.kind in "iuf" and isinstance(part.dtype, np.dtype):
        return rows + _extreme_rows(part.to_numpy())
    try:
        fresh = (~part.duplicated()).to_numpy()
    except TypeError:  # values that cannot be hashed: lists, dicts
        return rows
    return rows + _first(fresh, _CATEGORIES_A_COLUMN)


def _extreme_rows(values: Any) -> list[int]:
    if values.dtype.kind == "f":
        missing = np.isnan(values)
        if missing.all():
            return [0]
        return [*_first(missing, 1), int(np.nanargmin(values)), int(np.nanargmax(values))]
    return [int(values.argmin()), int(values.argmax())]


def _first(flags: Any, count: int) -> list[int]:
    return [int(row) for row in np.flatnonzero(flags)[:count]]
