"""Why a model answers differently to rows that came as JSON: the columns that JSON has changed."""

from __future__ import annotations

from typing import Any

_INDEX = "Likely cause: it uses what a request does not carry, such as the index of the frame."


def likely_cause(live: Any, rebuilt: Any) -> str:
    """What to look at, given the same rows as they are in the notebook and as a request brings."""
    changed = _changed_column(live, rebuilt)
    if changed is None:
        return _INDEX
    return (
        f"Likely cause: JSON does not bring back {changed} as it was. "
        "Turn it into numbers, strings or datetimes before the model."
    )


def _changed_column(live: Any, rebuilt: Any) -> str | None:
    if not (hasattr(live, "columns") and hasattr(rebuilt, "columns")):
        return None
    for place, name in enumerate(live.columns):
        before = live.iloc[:, place].tolist()
        after = rebuilt.iloc[:, place].tolist()
        for was, now in zip(before, after, strict=True):
            if not _same(was, now):
                return f"the column {name!r} ({type(was).__name__}, then {type(now).__name__})"
    return None


def _same(was: Any, now: Any) -> bool:
    try:
        missing = bool(was != was and now != now)
        return missing or (type(was) is type(now) and bool(was == now))
    except Exception:  # noqa: BLE001 - a value of a foreign class, which compares as it likes
        return True
