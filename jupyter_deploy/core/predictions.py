"""What a version predicts, counted: classes, or bins of its baseline, and probabilities.

Rule: a batch costs one append; the counting is NumPy's, once a second for all that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jupyter_deploy.core.contract import Output
from jupyter_deploy.core.series import PROBABILITY_BINS, Counts

Array = npt.NDArray[Any]

#: Classes that are told apart; all others are "other".
MOST_LABELS = 50
OTHER = "other"
#: Bins of a baseline.
BINS = 20
#: More rows than these are counted at once, so that few answers are held.
_MOST_ROWS = 65_536


class Predictions:
    """The predictions of one version since they were taken last."""

    def __init__(self, output: Output, bins: tuple[float, ...]) -> None:
        self._labelled = output.classes is not None
        self._bins = np.asarray(bins)
        self._kept: list[Sequence[Array]] = []
        self._rows = 0
        self._counted = Counts()
        self._known: set[str] = set()

    def add(self, arrays: Sequence[Array], rows: int) -> None:
        """One batch has been answered: with predictions, and perhaps probabilities."""
        self._kept.append(arrays)
        self._rows += rows
        if self._rows >= _MOST_ROWS:
            self._count()

    def take(self) -> Counts:
        """What was predicted since the last time."""
        self._count()
        taken, self._counted = self._counted, Counts()
        return taken

    def _count(self) -> None:
        kept, self._kept, self._rows = self._kept, [], 0
        predictions = _all(kept, 0)
        if predictions is None or _holds_several(predictions):
            return
        if self._labelled or not _are_numbers(predictions, 1):
            self._counted.add(Counts(labels=_labels(predictions, self._known)))
        elif self._bins.size:
            self._counted.add(Counts(values=binned(predictions, self._bins)))
        probabilities = _all(kept, 1)
        if probabilities is not None and _are_numbers(probabilities, 2):
            self._counted.add(Counts(probabilities=probability_bins(probabilities)))


def bins_of(values: Array) -> tuple[float, ...]:
    """The edges of the bins of `values`; none where these are not numbers."""
    if not _are_numbers(values, 1):
        return ()
    finite = values[np.isfinite(values)].astype(float)
    if not finite.size:
        return ()
    with np.errstate(over="ignore", invalid="ignore"):
        edges = _edges(float(finite.min()), float(finite.max()))
        # The greatest value belongs into the last bin, and not above it.
        edges[-1] = np.nextafter(edges[-1], np.inf)
    return tuple(edges.tolist()) if np.isfinite(edges[-1]) else ()


def _edges(low: float, high: float) -> Array:
    try:
        return np.histogram_bin_edges([low, high], bins=BINS)
    except ValueError:  # too near each other for so many, or farther apart than a float can say
        parts = np.linspace(0, 1, BINS + 1)
        between = np.clip(low * (1 - parts) + high * parts, low, high)
        return np.unique(between) if low < high else np.array([low, low])


def binned(values: Array, bins: Array) -> dict[int, int]:
    """How many `values` lie below the first of `bins`, between each two, and from the last on."""
    finite = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return _nonzero(np.bincount(np.searchsorted(bins, finite, side="right")))


def probability_bins(probabilities: Array) -> dict[int, int]:
    """Probabilities of the second of two classes, or of the likeliest of several, by bin."""
    two = probabilities.shape[1] == 2
    shown = probabilities[:, 1] if two else probabilities.max(axis=1)
    shown = shown[~np.isnan(shown)]
    places = np.clip((shown * PROBABILITY_BINS).astype(int), 0, PROBABILITY_BINS - 1)
    return _nonzero(np.bincount(places))


def _are_numbers(array: Array, dimensions: int) -> bool:
    return array.ndim == dimensions and array.dtype.kind in "fiu"


def _holds_several(predictions: Array) -> bool:
    """Whether a row may have several values: a matrix, or rows of different lengths."""
    several = predictions.dtype.kind == "O" and any(
        isinstance(one, list | dict) for one in predictions.tolist()
    )
    return several or predictions.ndim != 1


def _all(kept: list[Sequence[Array]], index: int) -> Array | None:
    # A version's answers have one form; what a model answers otherwise is not counted.
    found = [arrays[index] for arrays in kept if len(arrays) > index]
    shape = found[0].shape[1:] if found else None
    alike = [array for array in found if array.shape[1:] == shape]
    return np.concatenate(alike) if alike else None


def _labels(predictions: Array, known: set[str]) -> dict[str, int]:
    """Counts by name; the first MOST_LABELS names ever seen are told apart."""
    if predictions.dtype.kind in "OM":
        predictions = predictions.astype("U64")
    values, counts = np.unique(predictions, return_counts=True)
    found: dict[str, int] = {}
    # The most frequent ones first, and no more of them: there may be as many as rows.
    for place in np.argsort(-counts, kind="stable")[:MOST_LABELS]:
        # Half a character cannot be written down, and would keep all figures from being collected.
        name = str(values[place]).encode(errors="replace").decode()
        if len(known) < MOST_LABELS:
            known.add(name)
        name = name if name in known else OTHER
        found[name] = found.get(name, 0) + int(counts[place])
    rest = int(counts.sum()) - sum(found.values())
    if rest:
        found[OTHER] = found.get(OTHER, 0) + rest
    return found


def _nonzero(counts: Array) -> dict[int, int]:
    return {int(place): int(counts[place]) for place in np.flatnonzero(counts)}
