"""Compiled forms of a model: what was tried, and which of them is served.

Rule 1: a form is served only when its labels are the model's own and its numbers are within the
tolerance on every row tried.  Rule 2: of those, the one that is fastest with many rows, and only
when it is faster than the model as is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

AS_IS = "as is"
MANY = 64
NOT_FASTER = "not faster than the model as is"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a number may be from the model's own: `relative` to it, or `absolute`."""

    relative: float = 1e-5
    absolute: float = 1e-6

    def __str__(self) -> str:
        return f"{self.relative:.0e} of the value or {self.absolute:.0e}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One form that was tried: milliseconds for one row and for `MANY`, the largest difference.

    `refused` says why it is not served; times and difference are None where it was not run.
    """

    form: str
    ms_one: float | None = None
    ms_many: float | None = None
    difference: float | None = None
    refused: str = ""

    def cells(self, served: str) -> tuple[str, str, str, str, str]:
        """Form, times, difference and verdict in words, where the form `served` is served."""
        return (
            self.form,
            "" if self.ms_one is None else f"{self.ms_one:.3g} ms",
            "" if self.ms_many is None else f"{self.ms_many:.3g} ms",
            "" if self.difference is None else f"{self.difference:.1e}",
            "served" if self.form == served else self.refused,
        )


@dataclass(frozen=True, slots=True)
class Compiled:
    """The form that a version is served in: `file` is in the version's folder.

    `kind` is "onnx" or "treelite"; `number` how numbers reach it ("float64", "float32", or
    "rounded": float64 that was rounded to float32, as scikit-learn's trees do); `separate` that it
    takes its columns one by one; `labels` the dtype of the labels ("" for a regressor).
    """

    form: str
    kind: str
    file: str
    digest: str
    number: str
    separate: bool = False
    labels: str = ""
    classes: tuple[str | int | float | bool, ...] | None = None
    tolerance: Tolerance = Tolerance()


def choose(as_is: Trial, trials: Sequence[Trial]) -> tuple[Trial | None, tuple[Trial, ...]]:
    """The form to serve, or None, and all trials with the reason why each other is not served."""
    judged = [_judged(as_is, trial) for trial in trials]
    passed = [trial for trial in judged if not trial.refused]
    best = min(passed, key=lambda trial: (trial.ms_many, trial.ms_one), default=None)
    slower = "" if best is None else f"slower than {best.form}"
    return best, tuple(
        trial if trial is best or trial.refused else replace(trial, refused=slower)
        for trial in judged
    )


def lines(trials: Sequence[Trial], served: str) -> list[str]:
    """The comparison as lines of text; `served` is the form that is served."""
    return [_line(trial.cells(served)) for trial in trials]


def _line(cells: tuple[str, str, str, str, str]) -> str:
    form, one, many, difference, verdict = cells
    said = [f"1 row {one}, {MANY} rows {many}"] if many else []
    said += [f"largest difference {difference}"] if difference else []
    said += [verdict] if verdict else []
    return f"{form}: {'; '.join(said)}"


def _judged(as_is: Trial, trial: Trial) -> Trial:
    if trial.refused:
        return trial
    assert trial.ms_one is not None
    assert trial.ms_many is not None
    assert as_is.ms_one is not None
    assert as_is.ms_many is not None
    if trial.ms_many < as_is.ms_many and trial.ms_one < as_is.ms_one:
        return trial
    return replace(trial, refused=NOT_FASTER)
