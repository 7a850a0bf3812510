"""What scikit-learn's scalers and imputers do to numbers, and nothing else.

Rule: the same operations on the same values in the same order, so that the numbers are the same to
the last bit.  Only float64 comes here, without infinities, which scikit-learn refuses.

Source: `transform` in sklearn/preprocessing/_data.py and impute/_base.py, as in 1.3 to 1.9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jupyter_deploy.replica.parts import is_sklearns
from jupyter_deploy.wire.arrays import Array

#: Changes float64 [rows, columns] in place, and gives it back.
Step = Callable[[Array], Array]


def in_place(transformer: Any) -> Step | None:
    """What a fitted `transformer` does to float64 [rows, columns]; None where that is not known."""
    if _fills_numbers(transformer):
        return _filling(transformer.statistics_)
    if is_sklearns(transformer, "StandardScaler"):
        mean = transformer.mean_ if transformer.with_mean else None
        return _scaling(mean, transformer.scale_ if transformer.with_std else None)
    if is_sklearns(transformer, "RobustScaler"):
        center = transformer.center_ if transformer.with_centering else None
        return _scaling(center, transformer.scale_ if transformer.with_scaling else None)
    if is_sklearns(transformer, "MinMaxScaler"):
        limits = transformer.feature_range if transformer.clip else None
        return _stretching(transformer.scale_, transformer.min_, limits)
    return None


def _fills_numbers(imputer: Any) -> bool:
    return (
        is_sklearns(imputer, "SimpleImputer")
        and imputer.strategy in ("mean", "median")
        and imputer.indicator_ is None
        and imputer.missing_values != imputer.missing_values  # NaN
        and not np.isnan(imputer.statistics_).any()
    )


def _filling(statistics: Array) -> Step:
    def fill(numbers: Array) -> Array:
        missing = np.isnan(numbers)
        if missing.any():
            rows, columns = np.nonzero(missing)
            numbers[rows, columns] = statistics[columns]
        return numbers

    return fill


def _scaling(center: Array | None, scale: Array | None) -> Step:
    def scaled(numbers: Array) -> Array:
        if center is not None:
            numbers -= center
        if scale is not None:
            numbers /= scale
        return numbers

    return scaled


def _stretching(scale: Array, least: Array, limits: tuple[float, float] | None) -> Step:
    def stretched(numbers: Array) -> Array:
        numbers *= scale
        numbers += least
        if limits is not None:
            np.clip(numbers, *limits, out=numbers)
        return numbers

    return stretched
