"""What a ColumnTransformer of scikit-learn makes of a frame, made of the frame's columns.

A pipeline for mixed columns spends milliseconds on frames: it cuts one for each transformer, and
looks at each column several times.  Here numbers go into one array and words through a dictionary.

Rule 1: the numbers are those of the transformer itself, to the last bit and in the same order in
memory: the same operations run on the same values.  Rule 2: only what is known to the letter is
done here (imputing, scaling, one-hot and ordinal codes); another transformer of numbers is called
itself, and one of words makes that there is no table.  Rule 3: what is out of the ordinary (a word
that an encoder refuses, an infinite number) is left to the ColumnTransformer, with its own errors.

Source: sklearn/compose/_column_transformer.py, preprocessing/_encoders.py and _data.py,
impute/_base.py, as in 1.3 to 1.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jupyter_deploy.replica.matrix import Matrix, Unusual, are_numbers
from jupyter_deploy.replica.parts import is_sklearns, makes_frames
from jupyter_deploy.replica.spec import ColumnLike
from jupyter_deploy.replica.steps import Step, in_place
from jupyter_deploy.wire.arrays import Array

#: What is defined here sees numbers and no frame, and runs nobody else's code on one.
_OF_NUMBERS = ("sklearn.preprocessing.", "sklearn.impute.", "sklearn.decomposition.")

Block = Callable[[Sequence[Array], int], Any]


@dataclass(frozen=True)
class Table:
    """Makes one array of the arrays of a request: float64 [rows, features], or a sparse matrix."""

    blocks: list[Block]
    stacked: Callable[[list[Any]], Any]

    def __call__(self, arrays: Sequence[Array], rows: int) -> Any:
        """The array.  Raises Unusual."""
        if len(arrays) == 1 and arrays[0].ndim == 2:
            arrays = list(arrays[0].T)
        return self.stacked([block(arrays, rows) for block in self.blocks])


def split(estimator: Any) -> tuple[Any, Any] | None:
    """The first step of a pipeline, or of the one that a search has found, and what follows."""
    searched = type(estimator).__module__.startswith("sklearn.model_selection.")
    pipeline: Any = getattr(estimator, "best_estimator_", None) if searched else estimator
    if not is_sklearns(pipeline, "Pipeline") or len(pipeline.steps) < 2:
        return None
    (_, first), (_, second), *more = pipeline.steps
    return first, pipeline[1:] if more else second


def table_of(transformer: Any, columns: Sequence[ColumnLike]) -> Table | None:
    """The table of a fitted ColumnTransformer that gets frames with `columns`; None: there is none.

    Raises AttributeError and the like for what looks like one and is none.
    """
    places = {column.name: place for place, column in enumerate(columns)}
    known = is_sklearns(transformer, "ColumnTransformer") and not makes_frames(transformer)
    if not known or transformer.transformer_weights or len(places) < len(columns):
        return None
    sparse = _sparse_kind() if transformer.sparse_output_ else None
    blocks: list[Block] = []
    for _, work, names in transformer.transformers_:
        if _is_dropped(work) or not len(names):
            continue
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            return None
        own = [places[name] for name in names]
        block = _block(list(_steps(work)), own, [columns[place] for place in own], sparse)
        if block is None:
            return None
        blocks.append(block)
    return Table(blocks, np.hstack if sparse is None else _sparsely) if blocks else None


def _sparse_kind() -> Callable[..., Any]:
    """What scikit-learn makes sparse results of: it can be told."""
    import sklearn
    from scipy.sparse import csr_array, csr_matrix

    arrays = sklearn.get_config().get("sparse_interface") == "sparray"
    kind: Callable[..., Any] = csr_array if arrays else csr_matrix
    return kind


def _sparsely(parts: list[Any]) -> Any:
    from scipy.sparse import hstack

    return hstack(parts).tocsr()


def _block(
    steps: list[Any],
    places: list[int],
    columns: list[ColumnLike],
    sparse: Callable[..., Any] | None,
) -> Block | None:
    if any(map(makes_frames, steps)):
        return None
    # Others become float64 as soon as somebody computes with them; float32 stays.
    if are_numbers(columns) and not any(column.dtype == "float32" for column in columns):
        return _numbers(steps, places, columns)
    if all(column.levels is not None or column.dtype in ("object", "str") for column in columns):
        return _words(steps, places, sparse)
    return None


@dataclass(frozen=True)
class _Numbers:
    matrix: Matrix
    steps: list[Step]

    def __call__(self, arrays: Sequence[Array], rows: int) -> Array:
        found = self.matrix(arrays, rows)
        if np.isinf(found).any():
            raise Unusual
        for step in self.steps:
            found = step(found)
        return found


def _numbers(steps: list[Any], places: list[int], columns: list[ColumnLike]) -> Block | None:
    dtypes = [np.dtype(column.dtype) for column in columns]
    # Whole numbers stay what they are until somebody computes with them.
    dtype = np.result_type(*dtypes)
    if steps and dtype.kind != "f":
        if in_place(steps[0]) is None:
            return None
        dtype = np.dtype(np.float64)
    done = [one for step in steps if (one := _step(step)) is not None]
    return _Numbers(Matrix(places, dtypes, dtype), done) if len(done) == len(steps) else None


def _step(step: Any) -> Step | None:
    """What `step` does to float64 [rows, columns] that may be written to; None: it is unknown."""
    known = in_place(step)
    if known is not None:
        return known
    looks_at_numbers = type(step).__module__.startswith(_OF_NUMBERS)
    plain = looks_at_numbers and not is_sklearns(step, "FunctionTransformer")
    return step.transform if plain else None


@dataclass(frozen=True)
class _Words:
    places: list[int]
    codes: list[dict[str, int]]
    #: Whether what has no code is -1; else it is unusual.
    ignores: bool
    finish: Callable[[Array], Any]

    def __call__(self, arrays: Sequence[Array], rows: int) -> Any:
        found = np.empty((rows, len(self.places)), dtype=np.int64)
        for number, (place, codes) in enumerate(zip(self.places, self.codes, strict=True)):
            words = arrays[place].tolist()
            try:
                if self.ignores:
                    found[:, number] = [codes.get(word, -1) for word in words]
                else:
                    found[:, number] = [codes[word] for word in words]
            except (KeyError, TypeError):
                raise Unusual from None
        return self.finish(found)


def _words(steps: list[Any], places: list[int], sparse: Callable[..., Any] | None) -> Block | None:
    if len(steps) != 1:
        return None
    (encoder,) = steps
    one_hot = is_sklearns(encoder, "OneHotEncoder")
    if not (one_hot or is_sklearns(encoder, "OrdinalEncoder")) or not _is_plain(encoder):
        return None
    codes = [dict(zip(words.tolist(), range(len(words)), strict=True))
             for words in encoder.categories_]  # fmt: skip
    finish = _one_hot([len(one) for one in codes], sparse) if one_hot else _ordinal
    return _Words(places, codes, one_hot and encoder.handle_unknown == "ignore", finish)


def _is_plain(encoder: Any) -> bool:
    """Whether each word has one code, that of its place among the categories."""
    return (
        getattr(encoder, "drop", None) is None
        and getattr(encoder, "min_frequency", None) is None
        and getattr(encoder, "max_categories", None) is None
        and np.dtype(encoder.dtype) == np.float64
        and all(type(word) is str for words in encoder.categories_ for word in words)
    )


def _one_hot(widths: list[int], sparse: Callable[..., Any] | None) -> Callable[[Array], Any]:
    starts = np.cumsum([0, *widths])

    def wide(codes: Array) -> Any:
        known = codes >= 0
        rows, columns = np.nonzero(known)
        places = codes[rows, columns] + starts[columns]
        shape = (len(codes), starts[-1])
        if sparse is not None:
            ends = np.cumsum([0, *known.sum(axis=1)])
            return sparse((np.ones(len(places)), places, ends), shape=shape)
        found = np.zeros(shape)
        found[rows, places] = 1.0
        return found

    return wide


def _ordinal(codes: Array) -> Array:
    return codes.astype(np.float64)


def _steps(work: Any) -> Iterable[Any]:
    """The transformers that run one after the other; those that do nothing are left out."""
    inner = [one for _, one in work.steps] if is_sklearns(work, "Pipeline") else [work]
    for one in inner:
        nothing = one is None or isinstance(one, str)
        if not (nothing or (is_sklearns(one, "FunctionTransformer") and one.func is None)):
            yield one


def _is_dropped(work: Any) -> bool:
    return isinstance(work, str) and work == "drop"
