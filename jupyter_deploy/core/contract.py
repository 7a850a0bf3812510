"""The contract: what a version accepts and what it answers.

Rule 1: a contract is data; it never changes once its version exists.  Rule 2: this file knows
nothing of pandas, JSON or HTTP: whoever reads a frame makes a contract from it (`registry`), and
whoever reads a request holds it against one (`gateway`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Form(StrEnum):
    """What the model is called with."""

    FRAME = "frame"
    """A pandas DataFrame with the contract's columns, in its order."""
    ARRAY = "array"
    """A NumPy array of `tensor.dtype` whose rows have `tensor.shape`."""
    ANY = "any"
    """Nothing is known of the input (no sample, no signature): it is passed on as it comes."""


class Type(StrEnum):
    """The type of a column or of an array's elements."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    STRING = "string"
    DATETIME = "datetime"
    OBJECT = "object"
    """Nested lists or mixed values: passed on as they come."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    `dtype` is the pandas dtype that the model was fitted on ("int64", "float32", "category",
    "Int64", "datetime64[ns]", "str", "object"): a replica rebuilds the column with it; "infer" is
    for a column of which nothing is known, "date" for objects that are dates.  `minimum` and
    `maximum` are the range seen (datetimes as seconds since the epoch); they are not enforced.
    """

    name: str
    type: Type
    dtype: str
    #: A missing value (null, NaN) is fine, and so is a request without the column.
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    #: The values seen, most frequent first; None for other types and for more than 100 values.
    categories: tuple[str, ...] | None = None
    #: The model refuses values outside `categories`, so the gateway does.
    closed: bool = False
    #: The categories of a categorical dtype, in its order: a model may rely on their codes.
    levels: tuple[str | int | float | bool, ...] | None = None
    ordered: bool = False
    #: What stood for a missing value in a column of objects: "nan" or "none".
    missing: str = "nan"
    #: The column's name is an integer in the frame ("0" is 0).
    integer_name: bool = False

    @property
    def is_zoned(self) -> bool:
        """Whether its times are moments, and not what a clock on some wall shows."""
        return self.type is Type.DATETIME and ", " in self.dtype


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array without its first axis: `shape` is the shape of one row (() for a scalar).

    `container` is what the model is called with: "array", "series" or "list".
    """

    type: Type
    dtype: str
    shape: tuple[int, ...]
    nullable: bool = False
    container: str = "array"


@dataclass(frozen=True, slots=True)
class Output:
    """What comes back for each row.

    `type` is that of one prediction; `shape` the shape of one prediction (() for a scalar);
    `classes` the labels of a classifier, in the order of its probabilities.
    """

    type: Type = Type.OBJECT
    shape: tuple[int, ...] = ()
    classes: tuple[str | int | float | bool, ...] | None = None
    probabilities: bool = False


@dataclass(frozen=True, slots=True)
class Contract:
    """What a version accepts (`form`, `columns` or `tensor`) and returns (`output`).

    Invariant: FRAME has columns and no tensor, ARRAY a tensor and no columns, ANY neither.
    """

    form: Form
    columns: tuple[Column, ...] = ()
    tensor: Tensor | None = None
    output: Output = field(default_factory=Output)
    #: Unknown columns are refused, not ignored.
    strict: bool = False

    def __post_init__(self) -> None:
        assert bool(self.columns) == (self.form is Form.FRAME)
        assert (self.tensor is not None) == (self.form is Form.ARRAY)


def incompatibilities(old: Contract, new: Contract) -> list[str]:
    """Why a caller of `old` may not be served by `new`, one sentence each; empty when it may.

    A change is incompatible when a request that `old` accepts could be refused by `new`, or when
    the answer has another form.
    """
    if new.form not in (old.form, Form.ANY):
        was = "was not checked" if old.form is Form.ANY else f"had {old.form}"
        return [f"the input has the form {new.form}, it {was}"]
    reasons = _column_reasons(old, new) + _tensor_reasons(old.tensor, new.tensor)
    if new.form is not Form.ANY and new.strict and not old.strict:
        reasons.append("unknown columns are refused, they were ignored")
    return reasons + _output_reasons(old.output, new.output)


def _column_reasons(old: Contract, new: Contract) -> list[str]:
    before = {column.name: column for column in old.columns}
    after = {column.name for column in new.columns}
    reasons = []
    for column in new.columns:
        if column.name in before:
            reasons += _one_column_reasons(before[column.name], column)
        elif not column.nullable:
            reasons.append(f"column {column.name!r} is new and required")
    if new.strict:
        reasons += [f"column {name!r} is refused" for name in before if name not in after]
    return reasons


def _one_column_reasons(old: Column, new: Column) -> list[str]:
    reasons = []
    if not _accepts(new.type, old.type):
        reasons.append(f"column {new.name!r} is {new.type}, it was {old.type}")
    if old.nullable and not new.nullable:
        reasons.append(f"column {new.name!r} may no longer be missing")
    if new.closed and _lost_categories(old, new):
        reasons.append(f"column {new.name!r} refuses values that it took before")
    return reasons


def _lost_categories(old: Column, new: Column) -> bool:
    return not old.closed or bool(set(old.categories or ()) - set(new.categories or ()))


def _tensor_reasons(old: Tensor | None, new: Tensor | None) -> list[str]:
    if old is None or new is None:
        return []
    reasons = []
    if old.shape != new.shape:
        reasons.append(f"a row has the shape {new.shape}, it was {old.shape}")
    if not _accepts(new.type, old.type):
        reasons.append(f"values are {new.type}, they were {old.type}")
    if old.nullable and not new.nullable:
        reasons.append("values may no longer be missing")
    return reasons


def _output_reasons(old: Output, new: Output) -> list[str]:
    reasons = []
    if Type.OBJECT not in (old.type, new.type) and old.type is not new.type:
        reasons.append(f"predictions are {new.type}, they were {old.type}")
    if old.shape != new.shape:
        reasons.append(f"a prediction has the shape {new.shape}, it was {old.shape}")
    if old.classes is not None and old.classes != new.classes:
        reasons.append("the classes have changed")
    if old.probabilities and not new.probabilities:
        reasons.append("there are no probabilities any more")
    return reasons


def _accepts(new: Type, old: Type) -> bool:
    return new is old or new is Type.OBJECT or (new is Type.FLOAT and old is Type.INTEGER)
