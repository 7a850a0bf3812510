"""The step `contract`: what the model accepts and answers, and the sample that shows it.

Rule: what cannot be known without a sample is not made up; a note says what is therefore not
checked.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from jupyter_deploy.errors import SampleMismatch
from jupyter_deploy.pipeline.answers import closed_columns, expected_answers, is_batchable
from jupyter_deploy.pipeline.resolve import Subject, SubjectKind
from jupyter_deploy.pipeline.rows import example_body, to_arrays
from jupyter_deploy.pipeline.sample import Sample, found_sample, given_sample, rows_to_keep, take
from jupyter_deploy.registry.columns import array_contract, frame_contract, output_of
from jupyter_deploy.replica.answers import PREDICTIONS, Answer
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.parts import parts
from jupyter_deploy.wire.arrays import Array

_BATCH_SECONDS, _PROBE_SECONDS = 0.7, 3.0
_EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known of a model before it is packaged.

    Without a sample, `arrays` is empty and `answer` None.  `some_rows` go with the model to MLflow.
    """

    subject: Subject
    contract: Contract
    origin: str
    arrays: list[Array]
    rows: int
    answer: Answer | None
    batchable: bool
    example: str | None
    some_rows: Any
    notes: tuple[str, ...]


def prepare(
    subject: Subject,
    sample: Any,
    namespace: Mapping[str, Any] | None,
    clock: Callable[[], float],
) -> Prepared:
    """Everything that the sample (given, found, or MLflow's) says of the model.

    Raises SampleMismatch, NotReproduced, NotFitted or DeployFailed.
    """
    with warnings.catch_warnings():
        # The model's own warnings were shown when it was fitted and tried; the calls made here
        # (with unseen values, one row at a time) are ours.
        warnings.simplefilter("ignore")
        found = _sample(subject, sample, namespace)
        prepared = (
            _without_sample(subject) if found is None else _with_sample(subject, found, clock)
        )
    _check_texts(prepared)
    return prepared


def _check_texts(prepared: Prepared) -> None:
    """Raises SampleMismatch for half a character, as undecodable bytes of a file become."""
    texts = [array.tolist() for array in prepared.arrays if array.dtype.kind == "O"]
    try:
        msgspec.json.encode((prepared.contract, texts))
    except UnicodeEncodeError as error:
        raise SampleMismatch(
            "The sample, or a class of the model, has a text with half a character in it "
            f"({error.object[error.start]!a}).",
            "Read the texts again, in their own encoding.",
        ) from error


def _sample(subject: Subject, given: Any, namespace: Mapping[str, Any] | None) -> Sample | None:
    if given is not None:
        return given_sample(given, subject)
    if subject.example is not None:
        sample = given_sample(subject.example, subject)
        origin = f"the example in MLflow, {len(sample.data)} rows"
        return replace(sample, origin=origin, from_mlflow=True)
    return found_sample(namespace or {}, subject, lambda sample: _works(subject, sample))


def _works(subject: Subject, sample: Sample) -> bool:
    rows = take(sample.data, list(range(min(3, len(sample.data)))))
    try:
        return len(subject.model.predict(rows)) == len(rows)
    except Exception:  # noqa: BLE001 - that it does not work is the answer
        return False


def _with_sample(subject: Subject, sample: Sample, clock: Callable[[], float]) -> Prepared:
    contract, from_mlflow = _input_contract(subject, sample)
    live = take(sample.data, rows_to_keep(sample.data))
    arrays = to_arrays(contract, live)
    if from_mlflow:
        live = input_builder(contract)(arrays, len(live))
    with _unheard():
        subject = _with_honest_classes(subject, live)
    expected = expected_answers(subject.call(), live, contract, arrays)
    contract = replace(contract, output=_output(expected.answer, subject))
    with _unheard():
        batchable = is_batchable(
            subject.call(), input_builder(contract), arrays, clock=clock, seconds=_BATCH_SECONDS
        )
    notes = [note for note in (sample.note, *expected.notes) if note]
    if not batchable:
        notes.append("requests are not batched: rows get other answers alone than together")
    if subject.kind is not SubjectKind.FUNCTION:
        with _unheard():
            contract = _closed(subject, contract, arrays, clock)
    return Prepared(
        subject=subject,
        contract=contract,
        origin=sample.origin,
        arrays=arrays,
        rows=len(live),
        answer=expected.answer,
        batchable=batchable,
        example=example_body(contract, arrays),
        some_rows=_some_rows(sample),
        notes=(*notes, *_closed_note(contract), *_unserved_note(subject)),
    )


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing: a model may print much."""

    def write(self, text: str) -> int:
        return len(text)


def _unheard() -> contextlib.redirect_stdout[_Nowhere]:
    """What a model prints is heard in its first calls, and not in the dozens that try it."""
    return contextlib.redirect_stdout(_Nowhere())


def _input_contract(subject: Subject, sample: Sample) -> tuple[Contract, bool]:
    """The contract of the input, and whether it is MLflow's own word."""
    described = subject.described
    if sample.from_mlflow and described is not None and _fits(described, sample):
        return described, True
    if sample.container == "frame":
        return frame_contract(sample.data), False
    container = sample.container
    if container == "list" and subject.kind is not SubjectKind.FUNCTION and _numeric(sample.data):
        container = "array"  # estimators take lists of numbers for arrays
    return array_contract(sample.data, container), False


def _fits(described: Contract, sample: Sample) -> bool:
    if described.form is not Form.FRAME:
        return described.form is Form.ARRAY and sample.container == "array"
    names = [column.name for column in described.columns]
    return sample.container == "frame" and names == [str(name) for name in sample.data.columns]


def _numeric(rows: list[Any]) -> bool:
    tensor = array_contract(rows, "list").tensor
    return tensor is not None and tensor.type not in (Type.STRING, Type.OBJECT)


def _with_honest_classes(subject: Subject, live: Any) -> Subject:
    """Without classes where the model has no probability for each of them after all."""
    if subject.classes is None or subject.kind is SubjectKind.FUNCTION:
        return subject
    try:
        shape = np.shape(subject.model.predict_proba(live))
    except Exception:  # noqa: BLE001 - then it has none
        return replace(subject, classes=None)
    honest = shape == (len(live), len(subject.classes))
    return subject if honest else replace(subject, classes=None)


def _output(answer: Answer, subject: Subject) -> Output:
    first = answer.arrays[0] if answer.names[:1] == (PREDICTIONS,) else None
    return output_of(first, rowwise=answer.rowwise, columns=answer.columns, classes=subject.classes)


def _closed(
    subject: Subject, contract: Contract, arrays: list[Array], clock: Callable[[], float]
) -> Contract:
    model = replace(subject, classes=None).call()  # labels suffice to see a refusal
    closed = closed_columns(
        model, contract, arrays, _known_words(subject.model), clock=clock, seconds=_PROBE_SECONDS
    )
    columns = tuple(
        replace(column, closed=True, categories=closed[column.name])
        if column.name in closed
        else column
        for column in contract.columns
    )
    return replace(contract, columns=columns)


def _known_words(model: Any) -> Iterator[list[str]]:
    """What the encoders in an estimator of scikit-learn were fitted on: a sample may have less."""
    for part in parts(model):
        for categories in _listed(part, "categories_"):
            yield [word for word in np.asarray(categories).tolist() if isinstance(word, str)]
        for _, transformer, _ in _listed(part, "transformers_"):
            yield from _known_words(transformer)


def _listed(part: Any, name: str) -> Sequence[Any]:
    found = getattr(part, name, ())
    return found if isinstance(found, list | tuple) else ()


def _closed_note(contract: Contract) -> list[str]:
    names = [column.name for column in contract.columns if column.closed]
    if not names:
        return []
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"values never seen are refused in {shown}, as the model refuses them"]


def _unserved_note(subject: Subject) -> list[str]:
    if not subject.has_unserved_probabilities():
        return []
    return ["predict_proba is not served: it gives no single probability for each class"]


def _some_rows(sample: Sample) -> Any:
    """Rows for MLflow's input example, where it can write them."""
    plain = sample.container == "frame" and all(isinstance(c, str) for c in sample.data.columns)
    numbers = sample.container == "array" and sample.data.dtype.kind in "biuf"
    return sample.data[:_EXAMPLE_ROWS] if plain or numbers else None


def _without_sample(subject: Subject) -> Prepared:
    contract = _contract_alone(subject)
    output = Output(
        classes=None if subject.classes is None else output_of(
            None, rowwise=True, columns=False, classes=subject.classes
        ).classes,
        probabilities=subject.classes is not None,
    )  # fmt: skip
    if contract.output == Output():
        contract = replace(contract, output=output)
    unchecked = "the input is passed on as it comes" if contract.form is Form.ANY else (
        "types and missing values of the input are not checked"
    )  # fmt: skip
    if subject.described is not None and contract.form is not Form.ANY:
        unchecked = "the answers are not compared"
    return Prepared(
        subject=subject,
        contract=contract,
        origin="no sample",
        arrays=[],
        rows=0,
        answer=None,
        batchable=False,
        example=None,
        some_rows=None,
        notes=(
            f"without a sample {unchecked}; name one with --sample",
            "requests are not batched",
            *_unserved_note(subject),
        ),
    )


def _contract_alone(subject: Subject) -> Contract:
    if subject.described is not None and subject.described.form is not Form.ANY:
        return subject.described
    if subject.names is not None:
        columns = (Column(name, Type.OBJECT, "infer", nullable=True) for name in subject.names)
        return Contract(Form.FRAME, columns=tuple(columns))
    if subject.width is not None:
        nullable = _allows_missing(subject.model)
        tensor = Tensor(Type.FLOAT, "float64", (subject.width,), nullable=nullable)
        return Contract(Form.ARRAY, tensor=tensor)
    return Contract(Form.ANY)


def _allows_missing(model: Any) -> bool:
    from sklearn.utils import get_tags

    try:
        return bool(get_tags(model).input_tags.allow_nan)
    except Exception:  # noqa: BLE001 - no estimator of scikit-learn's: the model shall judge
        return True
