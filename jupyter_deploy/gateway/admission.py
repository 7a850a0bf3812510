"""How much a key may send: one token bucket for each key that has a rate.

Rule 1: the bucket belongs to the key id, so that rotating a key or using many connections changes
nothing.  Rule 2: the clock is monotonic.  The headers follow draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.core.limits import Rate, TokenBucket, Verdict, parse_rate
from jupyter_deploy.errors import OverLimit

Header = tuple[bytes, bytes]


class Bucket(Protocol):
    """The tokens of one key."""

    @property
    def rate(self) -> Rate:
        """What fits into it, and how fast it fills."""

    def take(self, now: float) -> Verdict:
        """Take one token at `now`, if there is one."""


#: A bucket for a key id, full at a time.
Buckets = Callable[[str, Rate, float], Bucket]


def own_bucket(_key_id: str, rate: Rate, now: float) -> Bucket:
    """A bucket of this process alone."""
    return TokenBucket(rate, now)


@dataclass(frozen=True, slots=True)
class _Limit:
    bucket: Bucket
    policy: Header


class Admission:
    """The buckets of all keys; they stay when a snapshot changes and the rate does not."""

    def __init__(self, buckets: Buckets = own_bucket) -> None:
        self._buckets = buckets
        self._limits: dict[str, _Limit] = {}

    def update(self, keys: Iterable[StoredKey], now: float) -> None:
        """Have a bucket for each of `keys` that has a rate, and no others."""
        limits = {}
        for key in keys:
            if key.rate is not None:
                rate = parse_rate(key.rate)
                limits[key.key_id] = self._kept(key.key_id, rate) or self._made(
                    key.key_id, rate, now
                )
        self._limits = limits

    def admit(self, key: StoredKey, now: float) -> tuple[list[Header], OverLimit | None]:
        """Count one request of `key`: the headers of its answer, and what it gets when over."""
        limit = self._limits.get(key.key_id)
        if limit is None:
            return [], None
        verdict = limit.bucket.take(now)
        headers = [limit.policy, _state(verdict)]
        if verdict.allowed:
            return headers, None
        return headers, OverLimit(str(limit.bucket.rate), verdict.retry_after, [])

    def _kept(self, key_id: str, rate: Rate) -> _Limit | None:
        limit = self._limits.get(key_id)
        return limit if limit is not None and limit.bucket.rate == rate else None

    def _made(self, key_id: str, rate: Rate, now: float) -> _Limit:
        policy = f'"default";q={rate.count};w={rate.seconds}'
        bucket = self._buckets(key_id, rate, now)
        return _Limit(bucket, (b"ratelimit-policy", policy.encode()))


def _state(verdict: Verdict) -> Header:
    # Retry-After must not be earlier than t, so a refusal says when the next request is free.
    seconds = verdict.reset if verdict.allowed else verdict.retry_after
    return b"ratelimit", f'"default";r={verdict.remaining};t={seconds}'.encode()
