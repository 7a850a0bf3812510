"""Rates and token buckets.

Rule: `now` is always the monotonic clock, in seconds; a change of the wall clock moves no limit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from jupyter_deploy.errors import InvalidDuration, InvalidRate

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_DURATIONS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` requests in each `seconds`: "100/minute"."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit = next(name for name, seconds in _UNITS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bucket says of one request.

    `remaining` whole requests are left; the bucket is full again in `reset` seconds; when the
    request is not allowed, one more is free in `retry_after` seconds (both rounded up).
    """

    allowed: bool
    remaining: int
    reset: int
    retry_after: int


#: Who waits as long as he was told is let in: sums of times and tokens miss a whole one by less.
_ROUNDING = 1e-7


class TokenBucket:
    """A bucket of `rate.count` tokens that fills evenly, `rate.count` in each `rate.seconds`.

    Invariant: -_ROUNDING <= tokens <= rate.count, as of `updated`.  What is taken too early is
    owed, so that it never adds up.
    """

    __slots__ = ("rate", "tokens", "updated")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.tokens = float(rate.count)
        self.updated = now

    def take(self, now: float) -> Verdict:
        """Take one token at `now`, if there is one."""
        per_second = self.rate.count / self.rate.seconds
        grown = self.tokens + max(0.0, now - self.updated) * per_second
        self.tokens = min(float(self.rate.count), grown)
        self.updated = max(now, self.updated)
        allowed = self.tokens >= 1.0 - _ROUNDING
        if allowed:
            self.tokens -= 1.0
        return Verdict(
            allowed=allowed,
            remaining=int(self.tokens),
            reset=math.ceil((self.rate.count - max(0.0, self.tokens)) / per_second),
            retry_after=0 if allowed else self._seconds_to_one(per_second),
        )

    def _seconds_to_one(self, per_second: float) -> int:
        missing = 1.0 - _ROUNDING / 2 - self.tokens
        return max(1, math.ceil(missing / per_second))


def parse_rate(text: str) -> Rate:
    """Return `text` ("100/minute") as a rate.  Raises InvalidRate."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour|day)", str(text).strip(), re.ASCII)
    if match is None:
        raise InvalidRate(str(text))
    return Rate(int(match[1]), _UNITS[match[2]])


def parse_duration(text: str) -> float:
    """Return `text` ("90d", "1h", "30m", "45s") in seconds.  Raises InvalidDuration."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", str(text).strip(), re.ASCII)
    if match is None:
        raise InvalidDuration(str(text))
    return int(match[1]) * _DURATIONS[match[2]]
