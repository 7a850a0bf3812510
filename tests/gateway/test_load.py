"""The estimate of how long a request would wait: numbers in, a decision out."""

from __future__ import annotations

import pytest

from jupyter_deploy.gateway.dispatch.load import Pace, too_late


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


@pytest.mark.parametrize(
    ("ahead", "own", "replicas", "late"),
    [
        (0.0, 1.0, 1, False),
        (7.0, 1.0, 1, False),
        (7.5, 1.0, 1, True),
        (14.0, 1.0, 2, False),
        (14.0, 1.0, 0, True),
    ],
)
def test_a_request_is_too_late_when_it_would_end_after_four_fifths_of_its_time(
    ahead, own, replicas, late
):
    assert too_late(ahead, own, replicas, timeout=10.0) is late
