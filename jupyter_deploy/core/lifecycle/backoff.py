"""How long to wait before a process that has ended is started again."""

from __future__ import annotations

#: The wait before the nth start in a row: up to 0.1 s, 0.2 s, 0.4 s ... and never over 30 s.
FIRST_DELAY, LONGEST_DELAY = 0.1, 30.0
#: What served, and was killed from outside, does not wait longer than this.
KILLED_SECONDS = 0.5
#: Nor does its next crash: being killed counts as so many failures at most.
KILLED_FAILURES = 3
#: What has no room to start tries again after this, however often.
NO_ROOM_SECONDS = 1.0
#: What has been well for as long as this has forgotten its earlier failures.
HEALTHY_SECONDS = 60.0


def delay(failures: int, jitter: float) -> float:
    """Seconds to wait before a start that follows `failures` failures: full jitter."""
    # Full jitter spreads processes that died together:
    # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    assert 0.0 <= jitter < 1.0
    return jitter * min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 32))


def failures_after(failures: int, well_since: float, now: float) -> int:
    """What is left of earlier failures after a time of health."""
    return 0 if now - well_since >= HEALTHY_SECONDS else failures
