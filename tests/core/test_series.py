"""Counts that add up: over time, over versions, over processes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.series import (
    MOST_POINTS,
    SPANS,
    Counts,
    Record,
    bucket,
    quantile,
    rolled,
    span_of,
    step_of,
    total,
)

numbers = st.integers(0, 1000)
by_number = st.dictionaries(st.integers(-50, 50), numbers, max_size=4)
counts = st.builds(
    Counts,
    statuses=st.dictionaries(st.sampled_from([200, 400, 429, 500]), numbers),
    seconds=by_number, rows=numbers, waiting=numbers, replicas=numbers,
    labels=st.dictionaries(st.sampled_from(["yes", "no"]), numbers),
    values=by_number, probabilities=by_number,
)  # fmt: skip
records = st.lists(
    st.builds(
        Record, at=st.integers(0, 20_000), endpoint=st.just("churn"),
        version=st.sampled_from(["1.0.0", "1.1.0"]), consumer=st.sampled_from(["", "ada"]),
        counts=counts,
    ),
    max_size=12,
)  # fmt: skip


def merged(*several: Counts) -> Counts:
    return total(several)


@given(counts, counts, counts)
def test_the_order_in_which_counts_are_merged_does_not_matter(a, b, c):
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, b, a)


@given(counts)
def test_adding_nothing_changes_nothing_and_what_was_added_stays_as_it_was(one):
    before = merged(one)
    assert merged(one, Counts()) == one == before


@given(records, st.sampled_from(SPANS))
def test_a_coarser_look_at_the_same_seconds_counts_the_same(found, span):
    coarse = rolled(found, span)
    assert merged(*(one.counts for one in coarse)) == merged(*(one.counts for one in found))
    assert all(one.at % span == 0 for one in coarse)
    assert len({one.key for one in coarse}) == len(coarse)


@given(records)
def test_hours_made_from_minutes_are_hours_made_from_seconds(found):
    assert rolled(rolled(found, 60), 3600) == rolled(found, 3600)


@given(
    st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200),
    st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_off_by_less_than_three_per_cent(latencies, share):
    buckets: dict[int, int] = {}
    for one in latencies:
        buckets[bucket(one)] = buckets.get(bucket(one), 0) + 1
    exact = sorted(latencies)[max(0, math.ceil(share * len(latencies)) - 1)]
    assert quantile(buckets, share) == pytest.approx(exact, rel=0.03)


def test_there_is_no_quantile_of_nothing():
    assert quantile({}, 0.5) is None


@pytest.mark.parametrize(
    ("window", "step", "span"),
    [(300, 1, 1), (3600, 15, 1), (21_600, 120, 60), (86_400, 300, 60), (604_800, 3600, 3600),
     (30 * 86_400, 10_800, 3600)],
)  # fmt: skip
def test_a_window_has_a_bounded_number_of_points_made_from_a_kept_width(window, step, span):
    assert step_of(window) == step
    assert span_of(step) == span
    assert window / step <= MOST_POINTS
