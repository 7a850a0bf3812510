"""The model's input, built from what a frame on the wire carries.

Rule: what is built here equals what the model was called with in the notebook: the columns in
their order, each with its dtype, its categories and its own kind of missing value.  The kernel
builds the sample with these very functions to see that nothing is lost on the way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from jupyter_deploy.replica.matrix import InputBuilder, Unusual, Usually, matrix_of
from jupyter_deploy.replica.spec import ColumnLike, TensorLike
from jupyter_deploy.wire.arrays import Array


class Called(Protocol):
    """What says how a model is called: a ReplicaSpec, or a Contract."""

    @property
    def form(self) -> str: ...  # noqa: D102 - as in ReplicaSpec
    @property
    def columns(self) -> Sequence[ColumnLike]: ...  # noqa: D102
    @property
    def tensor(self) -> TensorLike | None: ...  # noqa: D102


def input_builder(called: Called) -> InputBuilder:
    """What builds the inputs that `called` asks for; pandas is imported only for frames."""
    if called.form == "frame":
        return _frame_builder(tuple(called.columns))
    if called.form == "array":
        tensor = called.tensor
        assert tensor is not None, "a contract with the form `array` has a tensor"
        return lambda arrays, _: build_array(tensor, arrays[0])
    return lambda arrays, _: build_any(arrays[0])


def _frame_builder(columns: Sequence[ColumnLike]) -> InputBuilder:
    """What builds a DataFrame with `columns`, in their order.

    The arrays are one for each column, or one matrix of all.  It raises ValueError when they do not
    fit.
    """
    import pandas as pd  # here, so that no request waits for it

    names = pd.Index([int(one.name) if one.integer_name else one.name for one in columns])

    def plain(arrays: Sequence[Array], rows: int) -> Any:
        return _build_frame(columns, names, arrays, rows)

    matrix = matrix_of(columns) if len({column.dtype for column in columns}) == 1 else None
    if matrix is None:
        return plain

    def quick(arrays: Sequence[Array], rows: int) -> Any:
        if len(arrays) != len(columns) and arrays[0].ndim == 1:
            raise Unusual
        # As pandas holds columns of one dtype.
        return pd.DataFrame(matrix(arrays, rows), columns=names.view(), copy=False)

    return Usually(quick, plain)


def _build_frame(
    columns: Sequence[ColumnLike], names: Any, arrays: Sequence[Array], rows: int
) -> Any:
    import pandas as pd

    if len(arrays) == 1 and arrays[0].ndim == 2:
        arrays = list(arrays[0].T)
    if len(arrays) != len(columns):
        raise ValueError(f"{len(columns)} columns are expected, {len(arrays)} came")
    data = dict(enumerate(map(_series_data, columns, arrays)))
    frame = pd.DataFrame(data, index=pd.RangeIndex(rows))
    # A view: whoever gives the columns a name gives it to their own.
    frame.columns = names.view()
    return frame


def build_array(tensor: TensorLike, array: Array) -> Any:
    """The array, series or list that the model was fitted on.  It may be written to."""
    if tensor.shape and array.ndim == 1 and len(array):
        array = _stacked(array, tensor.shape)
    if tensor.container == "list":
        return array.tolist()
    values = _with_dtype(tensor.dtype, array)
    if tensor.container == "series":
        import pandas as pd

        return pd.Series(values, dtype=tensor.dtype)
    return values


def build_any(array: Array) -> Any:
    """A DataFrame when all rows are records, else an array: the best guess where nothing is known.

    Rows that do not make a rectangle stay a one-dimensional array of objects.
    """
    rows = array.tolist()
    if rows and all(isinstance(row, dict) for row in rows):
        import pandas as pd

        return pd.DataFrame(rows)
    try:
        return np.array(rows)
    except ValueError:  # of different lengths
        return array


def _stacked(rows: Array, shape: tuple[int, ...]) -> Array:
    """Rows that came as nested lists, as one array.  Raises ValueError when one does not fit."""
    stacked = np.empty((len(rows), *shape), dtype=object)
    for index, row in enumerate(rows.tolist()):
        stacked[index] = row
    return stacked


def _with_dtype(dtype: str, array: Array) -> Array:
    """A copy of `array` that may be written to, as every array in a notebook may."""
    if not _is_numpy(dtype):
        return np.array(array, dtype=object)
    if array.dtype.kind == "O" and np.dtype(dtype).kind == "f":
        return _numbers(array, dtype)
    return np.array(array, dtype=dtype)


def _numbers(array: Array, dtype: str) -> Array:
    flat = [np.nan if value is None else value for value in array.ravel().tolist()]
    return np.array(flat, dtype=dtype).reshape(array.shape)


def _is_numpy(dtype: str) -> bool:
    try:
        np.dtype(dtype)
    except TypeError:
        return False
    return True


def _series_data(column: ColumnLike, array: Array) -> Any:
    """What pandas makes a column from that has the dtype of `column`."""
    if column.levels is not None:
        return _categorical(column, array)
    if column.dtype == "object":
        return _objects(column, array)
    if column.dtype == "date":
        return _dates(column, array)
    if column.dtype.startswith("datetime64"):
        return _datetimes(column.dtype, array)
    if column.dtype.startswith("timedelta64"):
        return _timedeltas(column.dtype, array)
    # pandas has a string dtype called "str", and for NumPy that name means fixed-width text.
    if column.dtype != "str" and _is_numpy(column.dtype):
        return _with_dtype(column.dtype, array)
    return _extension(column.dtype, array)


def _extension(dtype: str, array: Array) -> Any:
    import pandas as pd

    if dtype == "infer":  # nothing is known: as pandas reads a list of values
        return pd.Series(array.tolist())
    if array.dtype.kind == "O":
        return pd.Series(array.tolist(), dtype=dtype)
    return pd.Series(array).astype(dtype)


def _objects(column: ColumnLike, array: Array) -> Any:
    import pandas as pd

    values = array.astype(object)
    if column.missing != "none":
        values = values.copy()
        values[[value is None for value in values.tolist()]] = np.nan
    # Said, because pandas would take an array of strings for its own string dtype.
    return pd.Series(values, dtype=object)


def _categorical(column: ColumnLike, array: Array) -> Any:
    """Values that are no level yet become levels of their own: the model shall judge them."""
    import pandas as pd

    levels: dict[Any, None] = dict.fromkeys(column.levels or ())
    values = array.tolist()
    known = _words(tuple(levels), ordered=column.ordered)
    if known is not None:
        with contextlib.suppress(KeyError, TypeError):  # it is no level, or no word
            codes = [known.codes[value] for value in values]
            return pd.Categorical.from_codes(codes, dtype=known.dtype)
    for value in values:
        if value is not None and value == value:
            levels.setdefault(value)
    return pd.Categorical(values, categories=list(levels), ordered=column.ordered)


class _Words(NamedTuple):
    dtype: Any
    #: Of each level, and of a missing value.
    codes: dict[str | None, int]


@lru_cache(maxsize=1024)
def _words(levels: tuple[Any, ...], *, ordered: bool) -> _Words | None:
    """The dtype of a column whose levels are words only: to a dictionary 1 is True."""
    import pandas as pd

    if not levels or not all(type(level) is str for level in levels):
        return None
    codes: dict[str | None, int] = {level: code for code, level in enumerate(levels)}
    return _Words(pd.CategoricalDtype(list(levels), ordered), codes | {None: -1})


def _datetimes(dtype: str, array: Array) -> Any:
    import pandas as pd

    moments = pd.DatetimeIndex(array.astype("datetime64[ns]"))
    target = pd.Series([], dtype=dtype).dtype
    if isinstance(target, pd.DatetimeTZDtype):
        return moments.tz_localize("UTC").tz_convert(target.tz).as_unit(target.unit)
    return moments.astype(target)


def _dates(column: ColumnLike, array: Array) -> Any:
    days = array.astype("datetime64[D]").astype(object)
    return _objects(column, days)


def _timedeltas(dtype: str, array: Array) -> Any:
    import pandas as pd

    return pd.to_timedelta(array.astype("float64"), unit="s").astype(dtype)
