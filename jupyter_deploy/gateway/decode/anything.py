"""Bodies for a model of which nothing is known: the values are passed on as they come, row by row.

A row of a frame is an object, so that the replica can make the frame again.
"""

from __future__ import annotations

from typing import Any

from jupyter_deploy.gateway.decode.faults import misfit
from jupyter_deploy.gateway.decode.rows import Path
from jupyter_deploy.gateway.decode.values import Refused, check_nested, kind


def read_anything(at: Path, part: Any) -> list[Any]:
    """The rows in `part`, as plain JSON values.  Raises BadInput."""
    rows = _rows(at, part)
    if not rows:
        raise misfit(at, "at least one row", "no rows")
    for index, row in enumerate(rows):
        try:
            check_nested(row)
        except Refused as refused:
            raise misfit((*at, index), refused.expected, refused.got) from refused
    return rows


def _rows(at: Path, part: Any) -> list[Any]:
    if at == ("dataframe_split",):
        return _split_rows(part["columns"], part["data"])
    if at == ("dataframe_records",) and not _all_are(part, dict):
        raise misfit(at, "array of objects", kind(part))
    if isinstance(part, list):
        return part
    if isinstance(part, dict) and part and _all_are(list(part.values()), list):
        return _column_rows(at, part)
    return [part]


def _split_rows(columns: Any, data: Any) -> list[Any]:
    at = ("dataframe_split",)
    if not isinstance(columns, list) or len(set(map(str, columns))) < len(columns):
        raise misfit((*at, "columns"), "array of different names", kind(columns))
    if not _all_are(data, list):
        raise misfit((*at, "data"), "array of rows", kind(data))
    names = [str(name) for name in columns]
    for index, row in enumerate(data):
        if len(row) != len(names):
            wanted = f"array of {len(names)} values"
            raise misfit((*at, "data", index), wanted, f"{len(row)} values")
    return [dict(zip(names, row, strict=True)) for row in data]


def _column_rows(at: Path, part: dict[str, list[Any]]) -> list[Any]:
    lengths = {len(values) for values in part.values()}
    if len(lengths) > 1:
        raise misfit(at, "columns of one length", "columns of different lengths")
    return [{name: values[row] for name, values in part.items()} for row in range(lengths.pop())]


def _all_are(values: Any, wanted: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, wanted) for value in values)
