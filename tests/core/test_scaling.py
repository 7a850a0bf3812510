from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.scaling import (
    BLIND_SECONDS,
    TARGET_WAITING,
    UP_SECONDS,
    Load,
    Range,
    Scaling,
    Sight,
    Work,
    decide,
    load_of,
    parse_range,
)
from jupyter_deploy.errors import UsageError

DOWN = 60.0
IDLE = Load(0, 0.0)
CHURN = ("churn", "1.0.0")

ranges = st.tuples(st.integers(1, 64), st.integers(1, 64)).map(lambda two: Range(*sorted(two)))
loads = st.builds(Load, st.integers(0, 600), st.floats(0, 64))
gaps = st.floats(0.01, BLIND_SECONDS)


def follow(limits: Range, looks: list[tuple[float, Load]], start: int | None = None) -> list[int]:
    """What is wanted after each look; a look is the seconds since the one before, and a load."""
    state, now, wanted = Scaling.begin(start or limits.least, 0.0), 0.0, []
    for gap, load in looks:
        now += gap
        state, count = decide(state, load, limits, now, down_seconds=DOWN)
        assert count == state.wanted
        wanted.append(count)
    return wanted


@pytest.mark.parametrize(
    ("text", "limits"), [(3, Range(3, 3)), ("3", Range(3, 3)), ("1:4", Range(1, 4))]
)
def test_replicas_are_a_number_or_a_range(text, limits):
    assert parse_range(text) == limits
    assert parse_range(str(limits)) == limits


@pytest.mark.parametrize("text", ["", "0", "0:2", "4:1", "1:65", "1:", ":2", "a", "1-4", -1, True])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(UsageError, match="1:4"):
        parse_range(text)


# --- what is seen ---------------------------------------------------------------------------------


def test_the_load_is_what_all_gateways_have_done_since_the_last_look():
    before = [Sight(1, 10.0, {CHURN: Work(9, 5.0)}), Sight(2, 10.0, {CHURN: Work(0, 1.0)})]
    now = [Sight(1, 12.0, {CHURN: Work(3, 6.0)}), Sight(2, 12.0, {CHURN: Work(4, 3.0)})]
    assert load_of(CHURN, before, now) == Load(7, 1.5)


def test_a_gateway_that_is_new_or_has_counted_anew_says_what_waits_and_nothing_of_the_past():
    new = [Sight(3, 12.0, {CHURN: Work(2, 40.0)})]
    assert load_of(CHURN, [], new) == Load(2, 0.0)
    anew = [Sight(3, 13.0, {CHURN: Work(0, 0.5)})]
    assert load_of(CHURN, new, anew) == IDLE
    assert load_of(("other", "1.0.0"), new, anew) == IDLE


# --- what is decided ------------------------------------------------------------------------------


def test_a_load_that_lasts_brings_replicas_within_two_looks_and_its_end_takes_them_slowly():
    up = follow(Range(1, 4), [(1.0, Load(12, 1.0))] * 3)
    assert up == [1, 3, 3]
    looks = [(1.0, Load(0, 2.0))] * 3 + [(1.0, IDLE)] * 61
    wanted = follow(Range(1, 4), looks)
    assert wanted[2:62] == [3] * 60
    assert wanted[-1] == 1


def test_a_replica_that_is_still_starting_starts_no_further_ones():
    assert follow(Range(1, 16), [(1.0, Load(8, 1.0))] * 30)[1:] == [3] * 29


def test_a_peak_of_one_look_changes_nothing():
    looks = [(0.5, IDLE), (0.5, Load(400, 1.0)), (0.5, IDLE)] * 10
    assert set(follow(Range(1, 8), looks)) == {1}


def test_after_a_time_that_nobody_saw_the_wait_begins_again():
    looks = [(1.0, IDLE), (BLIND_SECONDS + 2 * DOWN, IDLE)]
    assert follow(Range(1, 4), looks, start=4) == [4, 4]


def test_why_it_scales_is_said_in_a_word():
    assert str(Load(12, 1.0)) == "12 requests waiting"
    assert str(Load(1, 1.0)) == "1 request waiting"
    assert str(Load(0, 2.31)) == "work for 2.3 replicas"


@given(ranges, st.lists(st.tuples(gaps, loads), max_size=60))
def test_it_stays_within_its_range(limits, looks):
    assert all(limits.least <= count <= limits.most for count in follow(limits, looks))


@given(ranges, st.lists(st.tuples(gaps, loads), max_size=20), loads)
def test_a_constant_load_leads_to_what_it_asks_for_and_stays_there(limits, looks, load):
    settled = follow(limits, looks + [(1.0, load)] * int(DOWN + 30))[-20:]
    assert set(settled) == {limits.clamp(load.replicas())}


@given(ranges, st.lists(st.tuples(gaps, loads), max_size=20))
def test_without_load_it_ends_at_the_least(limits, looks):
    assert follow(limits, looks + [(1.0, IDLE)] * int(DOWN + 2))[-1] == limits.least


@given(ranges, st.lists(st.tuples(gaps, loads, st.integers(0, 50), st.floats(0, 8)), max_size=60))
def test_more_load_never_wants_fewer(limits, looks):
    less = [(gap, load) for gap, load, _, _ in looks]
    more = [(gap, Load(load.waiting + n, load.busy + x)) for gap, load, n, x in looks]
    pairs = zip(follow(limits, less), follow(limits, more), strict=True)
    assert all(low <= high for low, high in pairs)


@given(ranges, st.lists(st.tuples(gaps, loads), min_size=1, max_size=80))
def test_it_goes_down_only_when_nothing_needed_more_for_the_whole_wait(limits, looks):
    wanted, now, seen = limits.least, 0.0, [(0.0, limits.least)]
    for (gap, load), count in zip(looks, follow(limits, looks), strict=True):
        now += gap
        seen.append((now, limits.clamp(load.replicas())))
        if count < wanted:
            assert count >= max(asked for at, asked in seen if at >= now - DOWN)
            assert now >= DOWN
        if count > wanted:
            assert count <= min(asked for at, asked in seen if at >= now - UP_SECONDS)
        wanted = count


@given(st.integers(1, 63), st.floats(0.3, 5), st.integers(1, 20))
def test_a_load_that_swings_around_a_border_never_flaps(replicas, every, swings):
    border = replicas * TARGET_WAITING
    looks = [(every, Load(border + 1, 0.0)), (every, Load(border, 0.0))] * 3 * swings
    wanted = follow(Range(1, 64), looks)
    changes = sum(a != b for a, b in pairwise(wanted))
    assert changes <= 2
    assert wanted == sorted(wanted)
