import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_deploy.core.limits import Rate, TokenBucket, parse_duration, parse_rate
from jupyter_deploy.errors import InvalidDuration, InvalidRate


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/minute", Rate(100, 60)), ("5/second", Rate(5, 1)), (" 1/day ", Rate(1, 86400))],
)
def test_a_rate_is_a_count_and_a_unit(text, rate):
    assert parse_rate(text) == rate
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize("text", ["", "100", "0/minute", "-1/minute", "1.5/second", "10/min", 100])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InvalidRate, match="100/minute"):
        parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7776000), ("1h", 3600), ("45s", 45)])
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "1.5h", "-1d", "1w", 90])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(InvalidDuration, match="90d"):
        parse_duration(text)


def test_a_bucket_gives_what_it_holds_then_says_when_to_come_back():
    bucket = TokenBucket(Rate(2, 60), now=0.0)
    assert [bucket.take(0.0).remaining for _ in range(2)] == [1, 0]
    refused = bucket.take(0.0)
    assert not refused.allowed
    assert refused.retry_after == 30
    assert bucket.take(30.0).allowed


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    bucket = TokenBucket(Rate(1, 1), now=100.0)
    assert bucket.take(100.0).allowed
    assert not bucket.take(0.0).allowed
    assert not bucket.take(100.0).allowed


@given(
    st.integers(1, 50),
    st.sampled_from([1, 60]),
    st.lists(st.floats(0, 5, allow_nan=False), max_size=300),
)
def test_no_more_is_ever_admitted_than_the_rate_and_one_burst(count, seconds, gaps):
    bucket, now, admitted = TokenBucket(Rate(count, seconds), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        admitted += bucket.take(now).allowed
    assert admitted <= count + now * count / seconds + 1e-6


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), max_size=100))
def test_who_waits_as_told_is_let_in(count, gaps):
    bucket, now = TokenBucket(Rate(count, 60), 0.0), 0.0
    for gap in gaps:
        now += gap
        verdict = bucket.take(now)
        if not verdict.allowed:
            now += verdict.retry_after
            assert bucket.take(now).allowed


@given(st.integers(1, 50), st.floats(0, 1e7))
@example(1, 469.3201411030239)
@example(10, 122.61017807593255)
def test_who_waits_as_told_is_let_in_whatever_the_clock_reads(count, start):
    bucket = TokenBucket(Rate(count, 60), start)
    for _ in range(count):
        assert bucket.take(start).allowed
    told = bucket.take(start).retry_after
    assert told == math.ceil(60 / count)
    verdict = bucket.take(start + told)
    assert verdict.allowed
    assert 0 < verdict.reset <= 60
