"""Cheaper ways to call an estimator, each used only where it gives the very same bits.

    config   parameters that were good are not looked at again, and one call is one thread
    trees    the trees of a forest are asked one after the other, and nothing else (forests.py)
    array    an array in place of a frame of numbers (matrix.py)
    labels   labels are those of the highest probabilities, without a second call (labels.py)
    table    a pipeline's ColumnTransformer is given columns in place of a frame (tables.py)
    direct   scalers, linear models and pipelines compute, and look at nothing (direct.py)

Rule 1: each is tried when the replica starts, on the sample and on rows crossed from it, together
and one by one; one difference, or an error, and it is not used.  Rule 2: without a sample nothing
is known, and nothing is used; nor is what is for no row of it.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jupyter_deploy.replica import direct, forests, tables
from jupyter_deploy.replica.answers import Answer
from jupyter_deploy.replica.labels import labelled
from jupyter_deploy.replica.matrix import InputBuilder, Usually, matrix_of
from jupyter_deploy.replica.models import Model, estimator_model
from jupyter_deploy.replica.parts import parts
from jupyter_deploy.replica.spec import ReplicaSpec
from jupyter_deploy.wire.arrays import Array

#: A model that computes for longer than this gains nothing that would be noticed.  On a busy
#: machine the same takes longer, and a replica that starts there is to be as quick as the others.
_SLOW_SECONDS, _LONG_SECONDS = 0.5, 2.0
_CROSSED_ROWS = 256
_ALONE = 5


@dataclass(frozen=True, slots=True)
class Way:
    """How the model is called: `build` makes its input, `taken` names the shortcuts."""

    model: Model
    build: InputBuilder
    taken: tuple[str, ...] = ()


def quickest(
    way: Way,
    estimator: Any,
    spec: ReplicaSpec,
    sample: Sequence[Array],
    computed: Callable[[], float] = time.process_time,
    clock: Callable[[], float] = time.monotonic,
) -> Way:
    """`way` with every shortcut that answers as it does.  `sample` is as it travels.

    `computed` tells the seconds that this process has computed, `clock` those that went by.
    """
    if spec.function or spec.loader == "pyfunc" or not sample or not len(sample[0]):
        return way
    started, began = computed(), clock()
    with contextlib.suppress(Exception):
        proof = _Proof(way, sample)
        if computed() - started < _SLOW_SECONDS and clock() - began < _LONG_SECONDS:
            for shortcut in (_config, _trees, _array, _labels, _table, _direct):
                way = _if_proven(shortcut, way, estimator, spec, proof)
    return way


def _if_proven(
    shortcut: Callable[[Way, Any, ReplicaSpec], contextlib.AbstractContextManager[Way | None]],
    way: Way,
    estimator: Any,
    spec: ReplicaSpec,
    proof: _Proof,
) -> Way:
    try:
        with shortcut(way, estimator, spec) as quicker:
            if quicker is None:
                return way
            if not proof.holds(quicker):
                raise _Differs
            return quicker
    except Exception:  # noqa: BLE001 - the rule: an error is a no, whatever the model raises
        return way


class _Differs(Exception):
    """The shortcut gives another answer; it is undone."""


class _Proof:
    """What the plain way answers to the sample and to rows crossed from it."""

    def __init__(self, way: Way, sample: Sequence[Array]) -> None:
        self._parts = [list(sample), *_alone(sample), _crossed(sample)]
        self._plain = [_answer(way, part) for part in self._parts]

    def holds(self, way: Way) -> bool:
        """Whether `way` gives the same bits, and refuses what is refused."""
        if isinstance(way.build, Usually) and not any(map(way.build.is_usual, self._parts)):
            return False  # it was not tried
        pairs = zip(self._plain, self._parts, strict=True)
        return all(_same(plain, _answer(way, part)) for plain, part in pairs)


@contextlib.contextmanager
def _config(way: Way, estimator: Any, _spec: ReplicaSpec) -> Iterator[Way | None]:
    """For the process, not for each call: it serves this model and nothing else.

    What is finite as it comes need not be so behind the first step, or as a float32: that is still
    looked at.
    """
    import sklearn

    before, jobs = sklearn.get_config()["skip_parameter_validation"], _jobs(estimator)
    try:
        sklearn.set_config(skip_parameter_validation=True)
        _set(estimator, dict.fromkeys(jobs, 1))
        yield replace(way, taken=(*way.taken, "config"))
    except BaseException:
        sklearn.set_config(skip_parameter_validation=before)
        _set(estimator, jobs)
        raise


@contextlib.contextmanager
def _trees(way: Way, estimator: Any, _spec: ReplicaSpec) -> Iterator[Way | None]:
    found = [(forest, *forests.quick_method(forest)) for forest in forests.forests_in(estimator)]
    with _in_place_of_methods(found):
        yield replace(way, taken=(*way.taken, "trees")) if found else None


@contextlib.contextmanager
def _direct(way: Way, estimator: Any, _spec: ReplicaSpec) -> Iterator[Way | None]:
    found = [
        (part, name, method)
        for part in parts(estimator)
        for name, method in direct.quick_methods(part).items()
    ]
    with _in_place_of_methods(found):
        yield replace(way, taken=(*way.taken, "direct")) if found else None


@contextlib.contextmanager
def _in_place_of_methods(found: list[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    """On the parts themselves: whatever stands around them asks as before."""
    for part, name, method in found:
        # scikit-learn looks at the names of methods.
        method.__name__ = name
        setattr(part, name, method)
    try:
        yield
    except BaseException:
        for part, name, _ in found:
            delattr(part, name)
        raise


@contextlib.contextmanager
def _array(way: Way, _estimator: Any, spec: ReplicaSpec) -> Iterator[Way | None]:
    matrix = matrix_of(spec.columns) if spec.form == "frame" else None
    if matrix is None:
        yield None
        return
    _expect_arrays()
    yield replace(way, build=Usually(matrix, way.build), taken=(*way.taken, "array"))


@contextlib.contextmanager
def _labels(way: Way, estimator: Any, spec: ReplicaSpec) -> Iterator[Way | None]:
    model = labelled(estimator) if spec.probabilities else None
    yield None if model is None else replace(way, model=model, taken=(*way.taken, "labels"))


@contextlib.contextmanager
def _table(way: Way, estimator: Any, spec: ReplicaSpec) -> Iterator[Way | None]:
    parts = tables.split(estimator)
    if parts is None or spec.form != "frame" or "array" in way.taken:
        yield None
        return
    first, rest = parts
    table = tables.table_of(first, spec.columns)
    if table is None:
        yield None
        return
    _expect_arrays()
    quick = labelled(rest) if "labels" in way.taken else None
    model = quick or estimator_model(rest, probabilities=spec.probabilities)

    def ask(data: Any, rows: int, params: dict[str, Any] | None) -> Answer:
        is_frame = hasattr(data, "columns")
        return (way.model if is_frame else model)(data, rows, params)

    build = Usually(table, way.build)
    yield replace(way, model=ask, build=build, taken=(*way.taken, "table"))


def _expect_arrays() -> None:
    """No warnings of arrays in place of frames: here they are meant."""
    warnings.filterwarnings("ignore", message="X does not have valid feature names")


def _jobs(estimator: Any) -> dict[str, Any]:
    found = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    return {name: value for name, value in found.items() if name.split("__")[-1] == "n_jobs"}


def _set(estimator: Any, jobs: dict[str, Any]) -> None:
    if jobs:
        estimator.set_params(**jobs)


def _alone(sample: Sequence[Array]) -> list[list[Array]]:
    rows = len(sample[0])
    chosen = dict.fromkeys(int(row) for row in np.linspace(0, rows - 1, _ALONE))
    return [[array[row : row + 1] for array in sample] for row in chosen]


def _crossed(sample: Sequence[Array]) -> list[Array]:
    """Rows whose values each come from another row: nearer to the model's boundaries."""
    draw = np.random.default_rng(0)
    rows = len(sample[0])
    count = min(_CROSSED_ROWS, 4 * rows)
    if len(sample) > 1:
        return [array[draw.integers(0, rows, count)] for array in sample]
    picked = sample[0][draw.integers(0, rows, count)]
    if picked.ndim < 2:
        return [picked]
    other = sample[0][draw.integers(0, rows, count)]
    return [np.where(draw.integers(0, 2, picked.shape, dtype=bool), picked, other)]


def _answer(way: Way, arrays: Sequence[Array]) -> Answer | None:
    """The answer, or None when the model refuses these rows."""
    rows = len(arrays[0])
    try:
        return way.model(way.build(arrays, rows), rows, None)
    except Exception:  # noqa: BLE001 - crossed rows need not make sense to a model
        return None


def _same(one: Answer | None, other: Answer | None) -> bool:
    if one is None or other is None:
        return one is other
    if (one.names, one.rowwise) != (other.names, other.rowwise):
        return False
    return all(map(_same_bits, one.arrays, other.arrays))


def _same_bits(one: Array, other: Array) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind == "O":
        return bool(one.tolist() == other.tolist())
    return one.tobytes() == other.tobytes()
