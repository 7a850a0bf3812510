"""What a silence means: nobody is killed for being slow, and nobody who hangs stays."""

from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.health import (
    ASK_SECONDS,
    SPARE_SECONDS,
    Silence,
    Verdict,
    judge,
    next_tick,
    usual_after,
)

seconds = st.floats(0, 100)


def after(total: float, *, starved: float = 0.0, late: float = 0.0) -> Silence:
    """A silence of `total` seconds in looks of 0.1 s; each starved, or late, by so much."""
    silence = Silence()
    for _ in range(round(total / (0.1 + late))):
        silence = silence.longer(0.1 + late, planned=0.1, starved=starved)
    return silence


def verdict(silence: Silence, *, usual: float = 0.0, stopped: bool = False) -> Verdict:
    return judge(silence, usual=usual, timeout=30.0, stopped=stopped)


def test_two_seconds_of_silence_eject() -> None:
    assert verdict(after(1.2)) is Verdict.WAIT
    assert verdict(after(1.4)) is Verdict.EJECT


def test_two_seconds_are_kept_where_each_look_comes_late_by_a_seventh() -> None:
    look = 0.1 + 0.015
    looks = next(n for n in count(1) if verdict(after(n * look, late=0.015)) is Verdict.EJECT)
    assert ASK_SECONDS + looks * look <= 2.0


def test_a_stopped_process_is_killed_when_it_would_be_ejected() -> None:
    assert verdict(after(1.2), stopped=True) is Verdict.WAIT
    assert verdict(after(1.4), stopped=True) is Verdict.KILL


def test_a_gateway_is_replaced_after_two_seconds_and_killed_after_five() -> None:
    """Nothing that it does holds its loop: its longest is no time at all."""

    def of(silence: Silence, *, stopped: bool = False) -> Verdict:
        return judge(silence, usual=0.001, timeout=0.0, stopped=stopped)

    assert of(after(1.2)) is of(after(1.2), stopped=True) is Verdict.WAIT
    assert of(after(1.4)) is Verdict.EJECT
    assert of(after(1.4), stopped=True) is Verdict.KILL
    assert of(after(SPARE_SECONDS + 0.1)) is Verdict.KILL
    assert of(after(60.0, starved=0.099)) is of(after(60.0, late=5.0)) is Verdict.WAIT


def test_a_call_that_hangs_is_killed_when_no_request_can_wait_for_it() -> None:
    assert verdict(after(30.0 + SPARE_SECONDS - 1)) is Verdict.EJECT
    assert verdict(after(30.0 + SPARE_SECONDS + 1)) is Verdict.KILL


def test_what_a_version_ordinarily_takes_is_no_silence() -> None:
    assert verdict(after(15.0), usual=10.0) is Verdict.WAIT
    assert verdict(after(21.0), usual=10.0) is Verdict.EJECT
    assert verdict(after(15.0), usual=10.0, stopped=True) is Verdict.KILL


def test_a_replica_that_waits_for_a_processor_is_not_silent() -> None:
    assert verdict(after(10.0, starved=0.09)) is Verdict.WAIT


def test_a_watcher_that_comes_late_counts_only_what_it_had_planned() -> None:
    assert verdict(after(10.0, late=0.9)) is Verdict.WAIT


def test_one_that_never_yields_is_killed_where_it_and_its_watcher_wait_for_processors() -> None:
    """It has a third of one: a tenth of a second of each look that takes three."""
    assert verdict(after(3 * 34.0, late=0.2, starved=0.2)) is Verdict.EJECT
    assert verdict(after(3 * 36.0, late=0.2, starved=0.2)) is Verdict.KILL


def test_what_another_has_seen_of_a_silence_ejects_and_does_not_kill() -> None:
    told = Silence.told(1000.0)
    assert verdict(told) is Verdict.EJECT
    assert verdict(told.longer(20.0, planned=20.0, starved=0.0)) is Verdict.EJECT
    assert verdict(told, stopped=True) is Verdict.KILL
    assert verdict(Silence.told(1.0), stopped=True) is Verdict.WAIT


def test_what_was_usual_is_the_longest_of_late() -> None:
    usual = usual_after(usual_after(0.0, 4.0), 1.0)
    assert 3.0 < usual < 4.0
    for _ in range(200):
        usual = usual_after(usual, 0.001)
    assert usual < 0.01


@given(seconds, seconds, seconds, st.floats(0.1, 60), st.booleans())
def test_less_usable_time_never_makes_a_verdict_harsher(
    passed: float, starved: float, usual: float, timeout: float, stopped: bool
) -> None:
    order = list(Verdict)
    fair = Silence().longer(passed, planned=passed, starved=0.0)
    poor = Silence().longer(passed, planned=passed, starved=starved)
    one, other = (judge(s, usual=usual, timeout=timeout, stopped=stopped) for s in (fair, poor))
    assert order.index(other) <= order.index(one)


@given(st.floats(0, 1e7), st.integers(0, 200), st.integers(0, 1 << 22))
def test_the_next_tick_comes_within_as_many_as_were_asked_for(now, every, turn):
    found = next_tick(now, every, turn)
    assert now < found <= now + max(1, every) + 0.03
    following = next_tick(float(found), every, turn)
    assert following - found == max(1, every)


@given(st.floats(0, 1e7), st.integers(1, 50))
def test_each_tick_has_as_many_turns_as_any_other(now, every):
    found = [next_tick(now, every, turn) for turn in range(1000, 1000 + every)]
    assert len(set(found)) == every


def test_who_is_woken_a_moment_early_is_not_woken_twice() -> None:
    assert next_tick(41.999, 1, 0) == 43
