"""The careful pass for frames: it says what is accepted, and finds everything that is wrong.

Each function takes plain JSON values and gives rows as tuples in the contract's order, or raises
BadInput with a place for each value that does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_deploy.core.contract import Column, Contract
from jupyter_deploy.gateway.decode.faults import Faults, misfit
from jupyter_deploy.gateway.decode.rows import Path
from jupyter_deploy.gateway.decode.values import Refused, check, expected, kind

Rows = list[tuple[Any, ...]]
_MISSING = object()


def read_split(contract: Contract, columns: Any, data: Any) -> Rows:
    """Rows of `dataframe_split`."""
    at: Path = ("dataframe_split",)
    names = column_names(contract, columns, (*at, "columns"))
    return _read_rows(contract, names, data, (*at, "data"))


def read_list(contract: Contract, data: Any, at: Path) -> Rows:
    """A list of records, or of rows in the contract's order, or of values for a single column."""
    if not isinstance(data, list):
        raise misfit(at, "array of rows", kind(data))
    if data and all(isinstance(item, dict) for item in data):
        return read_records(contract, data, at)
    if len(contract.columns) == 1 and data and not any(isinstance(i, list | dict) for i in data):
        data = [[item] for item in data]
        return _read_rows(contract, [contract.columns[0].name], data, at, bare=True)
    return _read_rows(contract, [column.name for column in contract.columns], data, at)


def read_records(contract: Contract, data: Any, at: Path) -> Rows:
    """A list of objects with a value for each column."""
    if not isinstance(data, list):
        raise misfit(at, "array of objects", kind(data))
    _some(data, at)
    faults = Faults()
    rows = some_records(contract, data, at, 0, faults)
    faults.raise_if_any()
    return rows


def some_records(
    contract: Contract, data: Sequence[Any], at: Path, first: int, faults: Faults
) -> Rows:
    """The rows from the row `first` on; `faults` gets what is wrong."""
    rows = []
    known = {column.name for column in contract.columns}
    for index, record in enumerate(data, first):
        if not isinstance(record, dict):
            faults.add((*at, index), column=None, row=index, expected="object", got=kind(record))
            continue
        if contract.strict:
            _refuse_unknown(faults, [name for name in record if name not in known], (*at, index))
        rows.append(_read_record(contract, record, (*at, index), index, faults))
    return rows


def read_columns(
    contract: Contract, data: dict[str, Any], at: Path, places: Mapping[str, Path] | None = None
) -> Rows:
    """One object with a list for each column; `places` says where the lists stand, if not in it."""
    check_complete(contract, list(data), at)
    faults = Faults()
    lengths = set()
    for name, values in data.items():
        if isinstance(values, list):
            lengths.add(len(values))
        else:
            got = f"{kind(values)} (each column is a list, even for one row)"
            faults.add((*at, name), column=name, row=None, expected="array", got=got)
    faults.raise_if_any()
    if len(lengths) > 1:
        raise misfit(at, "columns of one length", "columns of different lengths")
    count = lengths.pop() if lengths else 0
    _some([0] * min(count, 1), at)
    read = [
        some_values(
            column,
            data.get(column.name, ()),
            (places or {}).get(column.name) or (*at, column.name),
            0,
            faults,
        )
        or [None] * count
        for column in contract.columns
    ]
    faults.raise_if_any()
    return list(zip(*read, strict=True))


def _read_rows(
    contract: Contract, names: Sequence[str], data: Any, at: Path, *, bare: bool = False
) -> Rows:
    if not isinstance(data, list):
        raise misfit(at, "array of rows", kind(data))
    _some(data, at)
    faults = Faults()
    rows = some_rows(contract, names, data, at, 0, faults, bare=bare)
    faults.raise_if_any()
    return rows


def some_rows(
    contract: Contract, names: Sequence[str], data: Sequence[Any], at: Path, first: int,
    faults: Faults, *, bare: bool = False,
) -> Rows:  # fmt: skip
    """The rows from the row `first` on; `faults` gets what is wrong."""
    places = {name: index for index, name in enumerate(names)}
    rows = []
    for index, row in enumerate(data, first):
        if not isinstance(row, list) or len(row) != len(names):
            got = f"{len(row)} values" if isinstance(row, list) else kind(row)
            wanted = f"array of {len(names)} values"
            faults.add((*at, index), column=None, row=index, expected=wanted, got=got)
            continue
        values = []
        for column in contract.columns:
            place = places.get(column.name, -1)
            value = row[place] if place >= 0 else None
            here = (*at, index) if bare else (*at, index, max(place, 0))
            values.append(_checked(column, value, here, index, faults))
        rows.append(tuple(values))
    return rows


def _read_record(
    contract: Contract, record: dict[str, Any], at: Path, index: int, faults: Faults
) -> tuple[Any, ...]:
    values = []
    for column in contract.columns:
        value = record.get(column.name, _MISSING)
        if value is not _MISSING or column.nullable:
            value = None if value is _MISSING else value
            values.append(_checked(column, value, (*at, column.name), index, faults))
            continue
        wanted = expected(column)
        faults.add(at, column=column.name, row=index, expected=wanted, got="no such member")
    return tuple(values)


def some_values(
    column: Column, values: Sequence[Any], at: Path, first: int, faults: Faults
) -> list[Any]:
    """The values of one column from the row `first` on; `faults` gets what is wrong."""
    return [
        _checked(column, value, (*at, row), row, faults) for row, value in enumerate(values, first)
    ]


def _checked(column: Column, value: Any, at: Path, row: int, faults: Faults) -> Any:
    try:
        return check(column, value)
    except Refused as refused:
        faults.add(at, column=column.name, row=row, expected=refused.expected, got=refused.got)
        return None


def column_names(contract: Contract, columns: Any, at: Path) -> list[str]:
    """The names of the columns that each row has.  Raises BadInput."""
    if not isinstance(columns, list):
        raise misfit(at, "array of names", kind(columns))
    # A frame whose columns are numbered says so with numbers.
    names = [str(name) if type(name) is int else name for name in columns]
    faults = Faults()
    for index, name in enumerate(names):
        if not isinstance(name, str):
            faults.add((*at, index), column=None, row=None, expected="name", got=kind(name))
    faults.raise_if_any()
    check_complete(contract, names, at)
    return names


def check_complete(contract: Contract, names: list[str], at: Path) -> None:
    """Raises BadInput unless all that must be there is, once, and nothing that may not."""
    faults = Faults()
    sent = set(names)
    if len(sent) < len(names):
        raise misfit(at, "different names", "a name that stands twice")
    for column in contract.columns:
        if column.name not in sent and not column.nullable:
            faults.add(
                at, column=column.name, row=None, expected=expected(column), got="no such column"
            )
    if contract.strict:
        known = {column.name for column in contract.columns}
        _refuse_unknown(faults, [name for name in names if name not in known], at)
    faults.raise_if_any()


def _refuse_unknown(faults: Faults, names: list[str], at: Path) -> None:
    for name in names:
        faults.add(at, column=name[:80], row=None, expected="no such column", got="a column")


def _some(data: Sequence[Any], at: Path) -> None:
    if not data:
        raise misfit(at, "at least one row", "no rows")
