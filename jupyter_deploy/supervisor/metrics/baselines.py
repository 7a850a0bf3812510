"""The baseline of a version: the notebook's own answers to the sample, as a distribution.

Rule 1: made from expected.bin, which every version with a sample has and which never changes.
Rule 2: what goes wrong here costs this figure and nothing else: routes are not written without it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_deploy.core.contract import Output
from jupyter_deploy.core.manifest import EXPECTED
from jupyter_deploy.core.predictions import Predictions, bins_of
from jupyter_deploy.core.series import Counts
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.wire.messages import PredictAnswer, unpack_answer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The bins of predictions that are numbers, and what was counted."""

    bins: tuple[float, ...] = ()
    counts: Counts = field(default_factory=Counts)


class Baselines:
    """The baselines of the versions below `folder`; each is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, Baseline] = {}

    def of(self, version: Version) -> Baseline:
        """The baseline of a version, empty where it has no sample."""
        found = self._known.get(version.number)
        if found is None:
            file = self._folder / str(version.number) / EXPECTED
            found = self._known[version.number] = _read(file, version.manifest.contract.output)
        return found

    def bins(self, version: Version) -> tuple[float, ...]:
        """The bins in which the gateway counts the predictions of a version."""
        return self.of(version).bins


def _read(file: Path, output: Output) -> Baseline:
    try:
        return _baseline(unpack_answer(memoryview(file.read_bytes())), output)
    except FileNotFoundError:
        return Baseline()
    except Exception as error:  # noqa: BLE001 - rule 2: a model may have answered anything
        _log.warning("no baseline from %s: %r", file, error)
        return Baseline()


def _baseline(answer: PredictAnswer, output: Output) -> Baseline:
    if not answer.rowwise or answer.columns or not answer.arrays:
        return Baseline()
    bins = () if output.classes is not None else bins_of(answer.arrays[0])
    predictions = Predictions(output, bins)
    predictions.add(answer.arrays, len(answer.arrays[0]))
    return Baseline(bins, predictions.take())
