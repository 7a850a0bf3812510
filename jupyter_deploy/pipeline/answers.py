"""The notebook's own answers to the sample, and what they show of the model.

Rule 1: the live model is called on the live rows; what is compared later are its answers, not ours.
Rule 2: before anything is packaged it is certain that the model answers the same twice, and the
same to the rows as they travel; what differs is said here, where its cause can still be seen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from jupyter_deploy.errors import DeployFailed, NotFitted, NotReproduced
from jupyter_deploy.pipeline.causes import likely_cause
from jupyter_deploy.replica.answers import Answer, NotJson
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.matrix import InputBuilder
from jupyter_deploy.replica.models import Model
from jupyter_deploy.wire.arrays import Array

STEP = "contract"
MAX_ONE_BY_ONE = 32
MAX_PROBED_COLUMNS = 64
MAX_PROBED_WORDS = 200
UNSEEN = "jupyter_deploy: a value never seen"
_FEW_ENOUGH = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """The notebook's answers to the sample's rows, and what was noticed on the way."""

    answer: Answer
    notes: tuple[str, ...] = ()


def expected_answers(model: Model, live: Any, contract: Contract, arrays: list[Array]) -> Expected:
    """What the live model answers to the live rows.

    Raises DeployFailed when it raises or answers None, NotReproduced when it does not answer the
    same twice or when rows that travelled as JSON get another answer.
    """
    rows = len(live)
    first = _called(model, live, rows, "The model fails on its own sample")
    if _is_nothing(first):
        raise DeployFailed(
            STEP,
            "The model answers nothing (None) to its own sample.",
            "Have it return its predictions: a function needs a `return`.",
        )
    if not identical(first, _called(model, live, rows, "The model fails when it is called twice")):
        raise NotReproduced(
            STEP,
            "The model answers differently when it is called twice with the same rows.",
            "Likely cause: it draws random numbers, counts its calls, or changes the rows that it "
            "is given. Fix the seed inside of it, or have it work on a copy.",
        )
    rebuilt = input_builder(contract)(arrays, rows)
    travelled = _called(model, rebuilt, rows, "The model fails on its sample sent as JSON")
    if identical(first, travelled):
        return Expected(first, _infinite_note(first))
    if close(first, travelled):
        note = "answers to rows that came as JSON differ from the notebook's in the last bits only"
        return Expected(travelled, (note, *_infinite_note(travelled)))
    raise NotReproduced(
        STEP,
        "The model answers differently to the same rows when they come as JSON"
        f"{_where(first, travelled)}.",
        likely_cause(live, rebuilt),
    )


def is_batchable(
    model: Model,
    build: InputBuilder,
    arrays: list[Array],
    *,
    clock: Callable[[], float],
    seconds: float,
) -> bool:
    """Whether rows get the same answers alone, together and in another order.

    At most MAX_ONE_BY_ONE rows are tried, and no longer than `seconds`.
    """
    until = clock() + seconds
    rows = min(MAX_ONE_BY_ONE, len(arrays[0]))
    some = [array[:rows] for array in arrays]
    try:
        together = model(build(some, rows), rows, None)
        order = np.random.default_rng(0).permutation(rows)
        shuffled = model(build([array[order] for array in some], rows), rows, None)
        if not (together.rowwise and _close_rows(_picked(together, order), shuffled)):
            return False
        return _alone(model, build, some, together, lambda: clock() < until)
    except Exception:  # noqa: BLE001 - a model that refuses some of its own rows is called as it was
        return False


def closed_columns(
    model: Model,
    contract: Contract,
    arrays: list[Array],
    known: Iterable[Sequence[str]],
    *,
    clock: Callable[[], float],
    seconds: float,
) -> dict[str, tuple[str, ...]]:
    """The string columns in which the model refuses what it has never seen, and what it takes.

    That is what the sample has, and what else is in a list of `known` words and not refused.
    """
    build, until = input_builder(contract), clock() + seconds
    one_row = [array[:1] for array in arrays]
    closed: dict[str, tuple[str, ...]] = {}
    if not _accepts(model, build, one_row):
        return closed
    lists = list(known)
    for index, column in _probed(contract):

        def takes(word: str, index: int = index) -> bool:
            changed = np.array([word], dtype=object)
            return _accepts(model, build, [*one_row[:index], changed, *one_row[index + 1 :]])

        if clock() > until:
            break
        if takes(UNSEEN):
            continue
        taken = list(column.categories or ())
        for word in _others(taken, (*lists, _words(column))):
            if clock() > until:
                return closed
            if takes(word):
                taken.append(word)
        closed[column.name] = tuple(taken)
    return closed


def _others(seen: Sequence[str], lists: Iterable[Sequence[str]]) -> list[str]:
    """What else is in those of `lists` that have all that was seen, the shortest ones first."""
    wider = sorted((words for words in lists if set(seen) <= set(words)), key=len)
    found = dict.fromkeys(word for words in wider for word in words if word not in seen)
    return list(found)[:MAX_PROBED_WORDS]


def _words(column: Column) -> list[str]:
    return [level for level in column.levels or () if isinstance(level, str)]


def identical(one: Answer, other: Answer) -> bool:
    """Whether two answers are the same, bit for bit (NaN equals NaN)."""
    return _same_form(one, other) and all(map(_identical, one.arrays, other.arrays))


def close(one: Answer, other: Answer) -> bool:
    """Whether two answers are the same but for the last bits of their numbers."""
    return _same_form(one, other) and all(map(_close, one.arrays, other.arrays))


def _called(model: Model, data: Any, rows: int, what: str) -> Answer:
    try:
        return model(data, rows, None)
    except NotJson as error:
        raise DeployFailed(
            STEP,
            f"The model's answer cannot be sent: {error}.",
            "Return numbers, strings, booleans, times, lists, dicts or a DataFrame.",
        ) from error
    except Exception as error:
        if type(error).__name__ == "NotFittedError":
            raise NotFitted("model") from error
        message = (str(error).strip() or "no message").splitlines()[0][:300].rstrip(".")
        raise DeployFailed(
            STEP,
            f"{what}: {type(error).__name__}: {message}.",
            "Make it take these rows (numbers, strings, dates, lists), then deploy it again.",
        ) from error


def _is_nothing(answer: Answer) -> bool:
    return not answer.rowwise and not answer.columns and answer.arrays[0].tolist() == [None]


def _infinite_note(answer: Answer) -> tuple[str, ...]:
    """What a caller does not see: JSON has no word for infinity, and an answer has null for it."""
    count = int(np.logical_or.reduce([_infinite_rows(array) for array in answer.arrays]).sum())
    if not count:
        return ()
    rows = f"{count} row{'s' if count > 1 else ''}" if answer.rowwise else "the sample"
    said = f"the answer to {rows} is infinite, which JSON cannot say: callers get null, as for a"
    return (f"{said} missing number; let the model answer a finite number where that matters",)


def _infinite_rows(array: Array) -> Array:
    """For each row whether there is an infinity in it."""
    if array.dtype.kind == "f":
        return np.asarray(np.isinf(array).any(axis=tuple(range(1, array.ndim))))
    return np.array([_holds_infinity(value) for value in array.tolist()], dtype=bool)


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(value, list | dict) and any(map(_holds_infinity, inner))


def _alone(
    model: Model, build: InputBuilder, some: list[Array], together: Answer, more: Callable[[], bool]
) -> bool:
    for row in range(len(some[0])):
        if row >= _FEW_ENOUGH and not more():
            break
        alone = model(build([array[row : row + 1] for array in some], 1), 1, None)
        if not _close_rows(_picked(together, np.array([row])), alone):
            return False
    return True


def _picked(answer: Answer, rows: Any) -> Answer:
    arrays = tuple(array[rows] for array in answer.arrays)
    return Answer(answer.names, arrays, answer.rowwise, answer.columns)


def _close_rows(one: Answer, other: Answer) -> bool:
    return close(one, other)


def _accepts(model: Model, build: InputBuilder, arrays: list[Array]) -> bool:
    try:
        model(build(arrays, 1), 1, None)
    except Exception:  # noqa: BLE001 - that it refuses is the answer
        return False
    return True


def _probed(contract: Contract) -> list[tuple[int, Column]]:
    if contract.form is not Form.FRAME:
        return []
    known = [(index, column) for index, column in enumerate(contract.columns)
             if column.type is Type.STRING and column.categories is not None]  # fmt: skip
    return known[:MAX_PROBED_COLUMNS]


def _same_form(one: Answer, other: Answer) -> bool:
    form = (one.names, one.rowwise, one.columns)
    shapes = [array.shape for array in one.arrays]
    return form == (other.names, other.rowwise, other.columns) and shapes == [
        array.shape for array in other.arrays
    ]


def _identical(one: Array, other: Array) -> bool:
    if one.dtype.kind == "O" or other.dtype.kind == "O":
        return _text(one) == _text(other)
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


def _close(one: Array, other: Array) -> bool:
    if one.dtype.kind != "f" or other.dtype.kind != "f":
        return _identical(one, other) or _close_values(one.tolist(), other.tolist())
    single = min(one.dtype.itemsize, other.dtype.itemsize) < 8
    return bool(np.allclose(one, other, rtol=1e-5 if single else 1e-9, atol=1e-12, equal_nan=True))


def _close_values(one: Any, other: Any) -> bool:
    """JSON values: numbers may differ in the last bits, all else may not."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close_values, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close_values(one[k], other[k]) for k in one)
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True))
    return type(one) is type(other) and bool(one == other)


def _text(array: Array) -> str:
    return json.dumps(array.tolist())


def _where(one: Answer, other: Answer) -> str:
    if not _same_form(one, other):
        return ""
    for before, after in zip(one.arrays, other.arrays, strict=True):
        pairs = zip(before.tolist(), after.tolist(), strict=True)
        for row, (was, now) in enumerate(pairs):
            if not _close_values(was, now):
                return f" (row {row}: {str(now)[:60]}, in the notebook {str(was)[:60]})"
    return ""
