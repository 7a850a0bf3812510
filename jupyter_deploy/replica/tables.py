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

from jupyter_deploy.replica.matrix import Matrix, Unusual, are_numbers, common
from jupyter_deploy.replica.parts import is_sklearns, makes_frames
from jupyter_deploy.replica.spec import ColumnLike
from jupyter_deploy.replica.steps import Step, in_place
from jupyter_deploy.wire.arrays import Array

#: What is defined here sees numbers and no frame, and runs nobody else's code on one.
_OF_NUMBERS = ("sklearn.preprocessing.", "sklearn.impute.", "sklearn.decomposition.")

Block = Callable[[Sequence[Array], int], Any]
#: The code of each word; None stands for a missing one.
Codes = dict[str | None, float]
#: That of a word which has no column.
_NOWHERE = -1.0


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
        return _words(steps, places, columns, sparse)
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
    dtype, has_flags = common(dtypes), any(one.kind == "b" for one in dtypes)
    # Whole numbers stay what they are until somebody computes with them; among flags they are
    # objects until then.
    if has_flags or (steps and dtype.kind != "f"):
        if not steps or in_place(steps[0]) is None:
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
    #: The code of each word of each column; None stands for a missing one.
    codes: list[Codes]
    #: The code of all other words; None: they are unusual.
    other: float | None
    finish: Callable[[Array], Any]

    def __call__(self, arrays: Sequence[Array], rows: int) -> Any:
        found = np.empty((rows, len(self.places)))
        for number, (place, codes) in enumerate(zip(self.places, self.codes, strict=True)):
            words = arrays[place].tolist()
            try:
                if self.other is None:
                    found[:, number] = [codes[word] for word in words]
                else:
                    found[:, number] = [codes.get(word, self.other) for word in words]
            except (KeyError, TypeError):
                raise Unusual from None
        return self.finish(found)


def _words(
    steps: list[Any],
    places: list[int],
    columns: list[ColumnLike],
    sparse: Callable[..., Any] | None,
) -> Block | None:
    if not 1 <= len(steps) <= 2 or not all(map(_fills_words, steps[:-1])):
        return None
    *imputers, encoder = steps
    fills = imputers[0].statistics_.tolist() if imputers else [None] * len(columns)
    one_hot = is_sklearns(encoder, "OneHotEncoder")
    if not (one_hot or is_sklearns(encoder, "OrdinalEncoder")) or not _is_plain(encoder):
        return None
    known = [
        _known(words.tolist(), column, fill)
        for words, column, fill in zip(encoder.categories_, columns, fills, strict=True)
    ]
    if not all(known):
        return None
    return _one_hot(encoder, places, known, sparse) if one_hot else _ordinal(encoder, places, known)


def _fills_words(imputer: Any) -> bool:
    return (
        is_sklearns(imputer, "SimpleImputer")
        and imputer.indicator_ is None
        and imputer.missing_values != imputer.missing_values  # NaN
        and all(type(word) is str for word in imputer.statistics_)
    )


def _is_plain(encoder: Any) -> bool:
    """Whether each word has one code, that of its place among the categories."""
    return (
        getattr(encoder, "min_frequency", None) is None
        and getattr(encoder, "max_categories", None) is None
        and np.dtype(encoder.dtype) == np.float64
    )


def _known(words: list[Any], column: ColumnLike, fill: str | None) -> Codes:
    """The place of each word among those of a column; empty where they are not all words."""
    is_none = column.dtype == "object" and column.levels is None and column.missing == "none"
    places: Codes = {}
    for place, word in enumerate(words):
        if word is None if is_none else word != word:
            places[None] = place
        elif type(word) is str:
            places[word] = place
        else:
            return {}
    if fill in places and not is_none:  # an imputer sees NaN, and no None
        places[None] = places[fill]
    return places


def _one_hot(
    encoder: Any, columns: list[int], known: list[Codes], sparse: Callable[..., Any] | None
) -> Block | None:
    if encoder.handle_unknown not in ("error", "ignore", "infrequent_if_exist"):
        return None
    dropped = [None] * len(known) if encoder.drop_idx_ is None else encoder.drop_idx_.tolist()
    widths = [
        len(words) - (drop is not None)
        for words, drop in zip(encoder.categories_, dropped, strict=True)
    ]
    codes = list(map(_without, known, dropped))
    other = None if encoder.handle_unknown == "error" else _NOWHERE
    return _Words(columns, codes, other, _wide(widths, sparse))


def _without(places: Codes, dropped: int | None) -> Codes:
    """Codes where the word at the place `dropped` is told by no other being there."""
    if dropped is None:
        return places
    return {
        word: _NOWHERE if place == dropped else place - (place > dropped)
        for word, place in places.items()
    }


def _wide(widths: list[int], sparse: Callable[..., Any] | None) -> Callable[[Array], Any]:
    starts = np.cumsum([0, *widths])

    def wide(codes: Array) -> Any:
        known = codes != _NOWHERE
        rows, columns = np.nonzero(known)
        places = codes[rows, columns].astype(np.int64) + starts[columns]
        shape = (len(codes), starts[-1])
        if sparse is not None:
            ends = np.cumsum([0, *known.sum(axis=1)])
            return sparse((np.ones(len(places)), places, ends), shape=shape)
        found = np.zeros(shape)
        found[rows, places] = 1.0
        return found

    return wide


def _ordinal(encoder: Any, columns: list[int], known: list[Codes]) -> Block:
    codes = [
        places | {None: encoder.encoded_missing_value} if words[-1] != words[-1] else places  # NaN
        for words, places in zip(encoder.categories_, known, strict=True)
    ]
    other = None if encoder.handle_unknown == "error" else float(encoder.unknown_value)
    return _Words(columns, codes, other, lambda found: found)


def _steps(work: Any) -> Iterable[Any]:
    """The transformers that run one after the other; those that do nothing are left out."""
    inner = [one for _, one in work.steps] if is_sklearns(work, "Pipeline") else [work]
    for one in inner:
        nothing = one is None or isinstance(one, str)
        if not (nothing or (is_sklearns(one, "FunctionTransformer") and one.func is None)):
            yield one


def _is_dropped(work: Any) -> bool:
    return isinstance(work, str) and work == "drop"
