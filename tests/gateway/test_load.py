"""The estimate of how long a request would wait: numbers in, a decision out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.gateway.dispatch.load import (
    BURST_SECONDS,
    FRAME_SECONDS,
    STANDING_SECONDS,
    Pace,
    overdue,
)
from jupyter_deploy.gateway.dispatch.work import MAX_BATCH_ROWS


def pace(frames: list[tuple[int, float]]) -> Pace:
    result = Pace()
    for rows, seconds in frames:
        result.add(rows, seconds)
    return result


def test_nothing_is_estimated_before_there_are_frames_to_go_by():
    assert Pace().seconds(100, 100) == 0.0
    assert pace([(1, 9.0), (1, 9.0)]).seconds(100, 100) == 0.0


def test_the_fixed_time_of_a_frame_is_told_from_the_time_of_its_rows():
    known = pace([(rows, 0.3 + 0.001 * rows) for rows in (1, 50, 400, 3, 90)])
    assert known.seconds(1, 1) == pytest.approx(0.301)
    assert known.seconds(1, 1000) == pytest.approx(1.3)
    assert known.seconds(10, 1000) == pytest.approx(4.0)


def test_frames_of_one_size_are_taken_as_a_fixed_time():
    known = pace([(1, 0.5)] * 10)
    assert known.seconds(1, 500) == pytest.approx(0.5)
    assert known.seconds(4, 4) == pytest.approx(2.0)


def test_rows_that_take_less_time_than_fewer_rows_give_no_negative_time():
    known = pace([(1, 1.0), (100, 0.1), (1, 1.0), (100, 0.1)])
    assert known.seconds(1, 1_000_000) >= 0.0


def test_a_slow_start_is_forgotten():
    known = pace([(1, 60.0)] * 3 + [(1, 0.01)] * 200)
    assert known.seconds(1, 1) < 0.05


# --- how many rows go together --------------------------------------------------------------------


def frames(known: Pace, waiting: int, count: int, *, fixed: float, per_row: float) -> list[int]:
    """The sizes of so many frames that are taken from a long queue, and measured."""
    sizes = []
    for _ in range(count):
        sizes.append(min(waiting, known.most_rows))
        known.add(sizes[-1], fixed + per_row * sizes[-1])
    return sizes


def test_rows_that_take_next_to_no_time_all_go_together():
    known = pace([(rows, 0.002 + 1e-6 * rows) for rows in (1, 64, 3, 1)])
    assert known.most_rows == MAX_BATCH_ROWS


def test_a_queue_that_grows_does_not_make_frames_longer():
    known = pace([(rows, 0.003 * rows) for rows in (1, 2, 4, 1)])
    sizes = frames(known, 4000, 500, fixed=0.0, per_row=0.003)
    assert max(sizes) * 0.003 <= FRAME_SECONDS
    assert min(sizes) * 0.003 >= FRAME_SECONDS * 0.9


def test_the_time_that_a_frame_takes_anyway_is_shared_by_many():
    known = pace([(rows, 0.1 + 0.001 * rows) for rows in (1, 2, 4, 1)])
    # Four fifths of what frames without a bound would serve.
    assert frames(known, 4000, 100, fixed=0.1, per_row=0.001)[-1] == pytest.approx(400, abs=1)


def test_a_slow_moment_does_not_keep_frames_small():
    known = pace([(rows, 1.0 * rows) for rows in (1, 2, 4, 1)])
    assert known.most_rows == 1
    assert frames(known, 64, 300, fixed=0.002, per_row=1e-5)[-1] == 64


def test_the_first_frames_of_a_slow_model_grow_until_the_time_of_a_row_is_known():
    sizes = frames(Pace(), 4000, 100, fixed=0.0, per_row=0.01)
    assert sizes[:3] == [8, 16, 32]
    assert max(sizes[3:]) * 0.01 <= FRAME_SECONDS


def test_a_first_call_that_takes_long_is_not_taken_for_what_a_row_takes():
    known = pace([(1, 2.0)])
    sizes = frames(known, 4000, 100, fixed=0.0, per_row=0.01)
    assert sizes[0] == 2
    assert max(sizes) * 0.01 <= FRAME_SECONDS


def test_the_first_call_of_another_replica_is_no_measure_for_the_version() -> None:
    pace = Pace()
    for rows in (10, 40, 20, 80, 30):
        pace.add(rows, 0.002 + rows * 0.0001)
    before = pace.seconds(1, 100), pace.most_rows
    assert pace.most_rows_of(warm=False) == 8
    pace.add(8, 5.0, warm=False)
    assert (pace.seconds(1, 100), pace.most_rows) == before
    assert pace.most_rows_of(warm=True) == pace.most_rows > 8


def test_the_time_that_the_first_frame_takes_anyway_does_not_keep_the_next_ones_small():
    sizes = frames(Pace(), 4000, 12, fixed=1.0, per_row=0.0)
    assert sizes[-1] == 4000


def test_frames_of_one_size_are_no_reason_for_one_of_any_size():
    known = pace([(1, 0.01)] * 50)
    assert frames(known, 4000, 2, fixed=0.0, per_row=0.01) == [12, 12]


def test_the_first_frames_of_a_quick_model_are_as_large_as_the_burst_at_once():
    assert frames(Pace(), 64, 2, fixed=0.0004, per_row=1e-6) == [8, 64]


# --- who is refused -------------------------------------------------------------------------------


def excess(ahead: float, own: float = 0.0, *, frame: float = 0.01, busy: float = 60.0) -> float:
    return overdue(ahead, own, frame, busy=busy, timeout=10.0)


def test_a_burst_may_wait_for_four_fifths_of_its_time_to_live():
    assert excess(7.0, 0.9, busy=BURST_SECONDS) <= 0
    assert excess(7.0, 1.5, busy=BURST_SECONDS) == pytest.approx(0.5)


def test_a_queue_that_stands_offers_a_short_wait_only():
    assert excess(STANDING_SECONDS) <= 0
    assert excess(STANDING_SECONDS + 0.5) == pytest.approx(0.5)


def test_a_few_callers_of_a_slow_model_may_stand_in_line():
    assert excess(7 * 0.5, frame=0.5) <= 0
    assert excess(9 * 0.5, frame=0.5) > 0


def test_a_large_request_is_not_refused_for_its_own_size_while_there_is_time():
    assert excess(0.1, 7.0) <= 0
    assert excess(0.1, 9.0) > 0


seconds = st.floats(0, 100)


@given(seconds, seconds, seconds, seconds, seconds, st.floats(0.1, 100))
def test_who_waits_longer_is_never_refused_less(ahead, more, own, frame, busy, timeout):
    known = {"frame": frame, "busy": busy, "timeout": timeout}
    assert overdue(ahead + more, own, **known) >= overdue(ahead, own, **known)
    assert overdue(ahead, own + more, **known) >= overdue(ahead, own, **known)


@given(seconds, seconds, seconds, st.floats(0.1, 100))
def test_an_empty_queue_refuses_only_what_cannot_end_in_time(own, frame, busy, timeout):
    known = {"frame": frame, "busy": busy, "timeout": timeout}
    assert (overdue(0.0, own, **known) > 0) == (own > timeout * 0.8)
