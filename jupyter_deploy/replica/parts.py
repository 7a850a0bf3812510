"""Of which estimators a scikit-learn estimator is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def parts(estimator: Any) -> Iterator[Any]:
    """`estimator` and those of which it is made, each once.

    Only scikit-learn's own: a class of somebody else may do anything with what it holds.
    """
    return _parts(estimator, set())


def _parts(estimator: Any, seen: set[int]) -> Iterator[Any]:
    if not type(estimator).__module__.startswith("sklearn.") or id(estimator) in seen:
        return
    seen.add(id(estimator))
    yield estimator
    for value in getattr(estimator, "__dict__", {}).values():
        for part in value if isinstance(value, list | tuple) else (value,):
            # The steps of a pipeline have their names beside them.
            yield from _parts(part[1] if _is_step(part) else part, seen)


def _is_step(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 2


def is_sklearns(subject: Any, *names: str) -> bool:
    """Whether `subject` is of scikit-learn's class of such a name, and of none made from it."""
    kind = type(subject)
    return kind.__name__ in names and kind.__module__.startswith("sklearn.")


def makes_frames(transformer: Any) -> bool:
    """Whether somebody has called its `set_output`."""
    return bool(getattr(transformer, "_sklearn_output_config", None))
