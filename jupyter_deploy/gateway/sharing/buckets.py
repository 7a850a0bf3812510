"""Token buckets that all gateways take from: a limit is a limit, whichever gateway is asked."""

from __future__ import annotations

import hashlib

from jupyter_deploy.core.limits import Rate, TokenBucket, Verdict
from jupyter_deploy.gateway.sharing.records import Records


class SharedBucket:
    """The bucket of a key, kept in `records`; all processes have the same monotonic clock."""

    __slots__ = ("_bucket", "_place", "_records")

    def __init__(self, records: Records, key_id: str, rate: Rate, now: float) -> None:
        self._records = records
        self._bucket = TokenBucket(rate, now)
        # A key whose rate changes gets another bucket, as it does where there is one gateway.
        name = hashlib.sha256(f"{key_id} {rate}".encode()).digest()
        self._place = records.make(name, (self._bucket.tokens, self._bucket.updated))

    @property
    def rate(self) -> Rate:
        """What fits into it, and how fast it fills."""
        return self._bucket.rate

    def take(self, now: float) -> Verdict:
        """Take one token at `now`, if there is one."""
        records, bucket, place = self._records, self._bucket, self._place
        held = records.lock(place)
        try:
            bucket.tokens, bucket.updated = records.state(place)
            verdict = bucket.take(now)
            records.change(place, bucket.tokens, bucket.updated)
        finally:
            if held:
                records.unlock(place)
        return verdict
