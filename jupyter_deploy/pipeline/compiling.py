"""`--compile`: the compiled forms of a model are made, compared with it, and the fastest is kept.

Rule 1: a form is compared on the sample, on rows crossed from it, and on rows at the model's own
boundaries (`boundaries`); one other label, or one number beyond the tolerance, and it is refused.
Rule 2: it is called as a replica calls it, from the file that a replica loads.  Rule 3: when none
passes the model is served as is, and what was tried is said: a deploy does not fail here.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jupyter_deploy.core import compiled
from jupyter_deploy.core.compiled import AS_IS, MANY, Compiled, Tolerance, Trial
from jupyter_deploy.pipeline.answers import is_batchable
from jupyter_deploy.pipeline.boundaries import boundary_rows, crossed
from jupyter_deploy.pipeline.converting import Candidate, CannotConvert, candidates
from jupyter_deploy.pipeline.prepare import Prepared
from jupyter_deploy.pipeline.resolve import SubjectKind
from jupyter_deploy.registry.fetch import file_digest
from jupyter_deploy.replica.answers import PREDICTIONS, PROBABILITIES, Answer
from jupyter_deploy.replica.compiled import compiled_way
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.shortcuts import Way
from jupyter_deploy.wire.arrays import Array

_BOUNDARY_SECONDS, _BATCH_SECONDS = 30.0, 0.7
_TIMED_SECONDS = 0.15
_LOADING = re.compile(r"^.*Load model from \S+ failed: ?")
#: Where a smooth model passes through a tie, the order of a sum decides: it may on rows that were
#: driven there on purpose, and on no others.
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Outcome:
    """The form to serve and its file, or None for the model as is; what was tried, and why not."""

    chosen: Compiled | None
    file: Path | None
    trials: tuple[Trial, ...]
    why: str = ""

    def note(self) -> str:
        """What is served, in words."""
        if self.chosen is None:
            said = "no compiled form passed: the model is served as is"
            return f"{said} ({self.why})" if self.why else said
        same = f"labels are identical, numbers within {self.chosen.tolerance}, on {self.why}"
        ties = f"where two classes are equally likely (within {_TIE:g}) a label may differ"
        return f"served as {self.chosen.form}: {same}; at boundaries, {ties}"


def compile_forms(
    prepared: Prepared, folder: Path, *, seconds: float = _BOUNDARY_SECONDS
) -> Outcome:
    """Try the forms that fit; their files are made in `folder`.

    The boundaries are searched for no longer than `seconds`; what is found by then is tried.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converters' and the model's own
        try:
            return _Comparison(prepared, folder, seconds).outcome()
        except CannotConvert as error:
            return Outcome(None, None, (), str(error))
        except Exception as error:  # noqa: BLE001 - a model may refuse rows that are not its own
            return Outcome(None, None, (), f"the model cannot be compared: {_first_line(error)}")


class _Comparison:
    """The model's own answers, and what is needed to hold a form against them."""

    def __init__(self, prepared: Prepared, folder: Path, seconds: float) -> None:
        subject, answer = prepared.subject, prepared.answer
        if answer is None:
            raise CannotConvert("without a sample it cannot be compared")
        if subject.kind is SubjectKind.FUNCTION or hasattr(subject.model, "unwrap_python_model"):
            raise CannotConvert("a function has no compiled form")
        self._prepared = prepared
        self._folder = folder
        self._model = subject.model
        self._classifier = _is_classifier(subject.model)
        self._plain = Way(subject.call(), input_builder(prepared.contract))
        sample = prepared.arrays
        until = time.monotonic() + seconds
        near = boundary_rows(
            lambda arrays: self._answer(self._plain, arrays).arrays[-1],
            (lambda arrays: self._answer(self._plain, arrays).arrays[0])
            if self._classifier
            else None,
            sample,
            lambda: time.monotonic() < until,
        )
        self._hurried = time.monotonic() >= until
        self._rows = [sample, crossed(sample), near]
        self._answers = [self._answer(self._plain, arrays) for arrays in self._rows]
        self._tolerance = _tolerance(answer, classifier=self._classifier)

    def outcome(self) -> Outcome:
        """What is served, and what was tried."""
        as_is = self._timed(AS_IS, self._plain)
        found = candidates(self._model, self._prepared.contract, classifier=self._classifier)
        tried = [self._trial(candidate) for candidate in found]
        best, trials = compiled.choose(as_is, tried)
        if best is None:
            return Outcome(None, None, (as_is, *trials))
        chosen = next(candidate for candidate in found if candidate.form == best.form)
        file = self._file(chosen)
        rows = [len(arrays[0]) for arrays in self._rows]
        where = f"{rows[0]} rows of the sample, {rows[1]} crossed from it, {rows[2]} at boundaries"
        if self._hurried:
            where += " (not all to the last bit: this model takes too long)"
        made = replace(self._compiled(chosen), digest=file_digest(file))
        return Outcome(made, file, (as_is, *trials), where)

    def _trial(self, candidate: Candidate) -> Trial:
        failed = Trial(candidate.form)
        try:
            candidate.write(self._file(candidate))
        except Exception as error:  # noqa: BLE001 - converters raise what they like
            return replace(failed, refused=f"cannot be converted: {_first_line(error)}")
        try:
            form = self._compiled(candidate)
            way = compiled_way(form, self._file(candidate), self._prepared.contract)
            return self._compared(way, form)
        except Exception as error:  # noqa: BLE001 - a runtime may refuse what a converter made
            return replace(failed, refused=f"does not run: {_first_line(error)}")

    def _compared(self, way: Way, form: Compiled) -> Trial:
        largest, refused = 0.0, ""
        for arrays, expected in zip(self._rows, self._answers, strict=True):
            got = self._answer(way, arrays)
            tie = _TIE if arrays is self._rows[-1] else None
            difference, why = compare(expected, got, form, tie=tie)
            largest, refused = max(largest, difference), refused or why
        if not refused and self._prepared.batchable and not self._batchable(way):
            refused = "rows get other answers alone than together"
        return replace(self._timed(form.form, way), difference=largest, refused=refused)

    def _batchable(self, way: Way) -> bool:
        arrays, clock = self._prepared.arrays, time.monotonic
        return is_batchable(way.model, way.build, arrays, clock=clock, seconds=_BATCH_SECONDS)

    def _compiled(self, candidate: Candidate) -> Compiled:
        output, answer = self._prepared.contract.output, self._prepared.answer
        assert answer is not None
        kind = answer.arrays[0].dtype
        labels = "" if not self._classifier else "object" if kind.kind in "OU" else str(kind)
        return Compiled(
            form=candidate.form,
            kind=candidate.kind,
            file=self._file(candidate).name,
            digest="",
            number=candidate.number,
            separate=candidate.separate,
            labels=labels,
            classes=output.classes if PROBABILITIES in answer.names else None,
            tolerance=self._tolerance,
        )

    def _file(self, candidate: Candidate) -> Path:
        return self._folder / f"compiled-{candidate.number}.{candidate.kind}"

    def _timed(self, form: str, way: Way) -> Trial:
        many = _repeated(self._prepared.arrays, MANY)
        one = [array[:1] for array in many]
        ms_one = _milliseconds(lambda: self._answer(way, one))
        return Trial(form, ms_one, _milliseconds(lambda: self._answer(way, many)))

    @staticmethod
    def _answer(way: Way, arrays: Sequence[Array]) -> Answer:
        rows = len(arrays[0])
        return way.model(way.build(arrays, rows), rows, None)


def compare(
    expected: Answer, got: Answer, form: Compiled, *, tie: float | None = None
) -> tuple[float, str]:
    """The largest difference between numbers, and why the form is refused ("" when it is not).

    With `tie`, a label may differ where the model's own two best probabilities are that close.
    """
    if expected.names != got.names:
        return 0.0, f"it answers {', '.join(got.names)}"
    largest = 0.0
    for name, before, after in zip(expected.names, expected.arrays, got.arrays, strict=True):
        if before.shape != after.shape:
            return largest, f"{name} have the shape {after.shape}, not {before.shape}"
        if name == PREDICTIONS and (form.labels or before.dtype.kind != "f"):
            differ = np.array(before.tolist(), object) != np.array(after.tolist(), object)
            wrong = int((differ & ~_tied(expected, tie)).sum())
            if wrong:
                return largest, f"{wrong} of {len(before)} labels differ"
            continue
        numbers, others = before.astype(np.float64), after.astype(np.float64)
        apart = np.abs(numbers - others)
        largest = max(largest, float(np.nanmax(apart, initial=0.0)))
        within = form.tolerance
        near = np.isclose(
            others, numbers, rtol=within.relative, atol=within.absolute, equal_nan=True
        )
        if not near.all():
            return largest, f"{int((~near).sum())} of {near.size} numbers differ too much"
    return largest, ""


def _tied(answer: Answer, tie: float | None) -> Array:
    """For each row whether the model itself is undecided to within `tie`."""
    if tie is None or PROBABILITIES not in answer.names:
        return np.zeros(answer.arrays[0].shape, dtype=bool)
    best = np.sort(answer.arrays[1], axis=1)[:, -2:]
    return np.asarray(best[:, -1] - best[:, 0] <= tie)


def _tolerance(answer: Answer, *, classifier: bool) -> Tolerance:
    """For probabilities as it is; for a regressor the absolute part is a share of its range."""
    if classifier:
        return Tolerance()
    numbers = np.abs(answer.arrays[0].astype(np.float64))
    return Tolerance(absolute=Tolerance().absolute * float(np.nanmax(numbers, initial=0.0)))


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier, is_regressor

    if not (is_classifier(model) or is_regressor(model)):
        raise CannotConvert("neither a classifier nor a regressor")
    return bool(is_classifier(model))


def _repeated(arrays: Sequence[Array], rows: int) -> list[Array]:
    chosen = np.arange(rows) % len(arrays[0])
    return [array[chosen] for array in arrays]


def _milliseconds(call: Callable[[], object]) -> float:
    """The quickest of some calls: what else the machine does only makes them slower."""
    best, until = float("inf"), time.perf_counter() + _TIMED_SECONDS
    while best == float("inf") or time.perf_counter() < until:
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return best * 1000


def _first_line(error: BaseException) -> str:
    text = " ".join((str(error).strip() or type(error).__name__).split())
    # ONNX Runtime names the file first, which is gone when this is read.
    text = _LOADING.sub("", text)
    return text[:120].rstrip(".")
