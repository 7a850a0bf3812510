"""What is predicted, counted by class and by bin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jupyter_deploy.core.contract import Output, Type
from jupyter_deploy.core.predictions import MOST_LABELS, OTHER, Predictions, binned, bins_of
from jupyter_deploy.core.series import PROBABILITY_BINS, Counts

CHURN = Output(Type.STRING, classes=("no", "yes"), probabilities=True)


def test_classes_and_the_probability_of_the_positive_one_are_counted_over_batches():
    predictions = Predictions(CHURN, ())
    for labels, probability in ((["no", "yes"], [0.2, 0.99]), (["no"], [0.21])):
        both = np.column_stack([1 - np.array(probability), probability])
        predictions.add([np.array(labels, dtype=object), both], len(labels))
    taken = predictions.take()
    assert taken.labels == {"no": 2, "yes": 1}
    assert taken.probabilities == {4: 2, PROBABILITY_BINS - 1: 1}
    assert predictions.take() == Counts()


def test_of_several_classes_the_likeliest_ones_probability_is_counted():
    predictions = Predictions(Output(classes=("a", "b", "c"), probabilities=True), ())
    predictions.add([np.array(["a"]), np.array([[0.62, 0.28, 0.1]])], 1)
    assert predictions.take().probabilities == {12: 1}


def test_numbers_are_counted_in_the_bins_of_the_baseline_and_below_and_above():
    bins = bins_of(np.arange(41.0))
    predictions = Predictions(Output(Type.FLOAT), bins)
    predictions.add([np.array([-5.0, 0.0, 40.0, 40.1, np.nan])], 5)
    assert predictions.take().values == {0: 1, 1: 1, len(bins) - 1: 1, len(bins): 1}


def test_the_baseline_itself_lies_in_its_bins():
    values = np.array([3.0, 3.5, 9.0, np.nan])
    bins = bins_of(values)
    counted = binned(values, np.asarray(bins))
    assert 0 not in counted
    assert len(bins) not in counted
    assert sum(counted.values()) == 3


@pytest.mark.parametrize("values", [np.array(["x"]), np.zeros((2, 2)), np.array([np.nan])])
def test_what_are_no_numbers_have_no_bins(values):
    assert bins_of(values) == ()


def test_a_model_with_endless_answers_has_a_bounded_number_of_classes():
    predictions = Predictions(Output(Type.STRING), ())
    kinds: set[str] = set()
    for batch in range(5):
        names = np.array([f"answer {batch} {n}" for n in range(40)])
        predictions.add([names], len(names))
        taken = predictions.take().labels
        assert sum(taken.values()) == 40
        kinds |= taken.keys()
    assert len(kinds) == MOST_LABELS + 1
    assert OTHER in kinds


@given(
    arrays(st.sampled_from(["f8", "f4", "f2", "i8", "u8", "i1"]), st.integers(1, 40)),
    st.integers(-40, 40),
)
@example(np.array([1.0, np.nextafter(1, 2)]), 0)
@example(np.array([2**60, 2**60 + 1]), 0)
@example(np.full(3, 1e300), 0)
@example(np.array([1e308, -1.7e308]), 0)
@example(np.array([5e-324, 0.0]), 0)
@example(np.array([np.finfo("f8").max]), 0)
def test_all_numbers_have_bins_however_near_or_far_apart_they_are(values, far):
    with np.errstate(over="ignore"):
        values = np.ldexp(values, far) if values.dtype.kind == "f" else values
    bins = bins_of(values)
    assert np.isfinite(bins).all()
    assert (np.diff(bins) > 0).all()
    if len(bins):
        finite = values[np.isfinite(values)]
        counted = binned(finite, np.asarray(bins))
        assert counted.keys() <= set(range(1, len(bins)))
        assert sum(counted.values()) == len(finite)


def test_half_a_character_in_a_class_is_counted_as_something_that_can_be_written():
    predictions = Predictions(Output(Type.STRING), ())
    predictions.add([np.array(["caf\udce9", "tea"])], 2)
    assert predictions.take().labels == {"caf?": 1, "tea": 1}


ROWS_OF_LISTS = np.empty(3, dtype=object)
ROWS_OF_LISTS[:] = [[], [1], ["a", 1]]
RECORDS = np.array([{"label": "a", "score": 0.5}] * 3)


@pytest.mark.parametrize("answer", [np.zeros((3, 2)), ROWS_OF_LISTS, RECORDS])
def test_a_model_with_several_values_for_each_row_is_not_counted(answer):
    predictions = Predictions(Output(Type.OBJECT), (0.0, 1.0))
    predictions.add([answer], 3)
    assert predictions.take() == Counts()
