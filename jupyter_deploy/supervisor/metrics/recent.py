"""The last minutes of each endpoint, in memory: what the list shows.  Reads no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from jupyter_deploy.client.models import Recent
from jupyter_deploy.core.series import Counts, Record, floor, quantile, total

#: A spark line has this many points of this many seconds.
POINTS, STEP = 60, 5
_RATE_SECONDS, _SHARE_SECONDS = 10, 60


@dataclass(frozen=True, slots=True)
class _Second:
    at: int
    counts: Counts


class RecentFigures:
    """Adds up what the gateways deliver; `of` is what an endpoint did lately."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[_Second]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take over `records`, in the order in which they happened."""
        for record in records:
            if record.counts.statuses:
                seconds = self._seconds.setdefault(record.endpoint, deque())
                seconds.append(_Second(record.at, record.counts))

    def forget(self, now: float) -> None:
        """Keep no more than a spark line shows."""
        oldest = now - (POINTS + 1) * STEP
        for name, seconds in list(self._seconds.items()):
            while seconds and seconds[0].at < oldest:
                seconds.popleft()
            if not seconds:
                del self._seconds[name]

    def of(self, name: str, now: float) -> Recent:
        """What `name` did up to `now`; the second that is not over yet is left out."""
        seconds = self._seconds.get(name, deque())
        end = int(now)
        lately = [one for one in seconds if end - _SHARE_SECONDS <= one.at < end]
        shared = total(one.counts for one in lately)
        in_rate = sum(one.counts.requests for one in lately if one.at >= end - _RATE_SECONDS)
        p95 = quantile(shared.seconds, 0.95)
        errors = shared.errors_4xx + shared.errors_5xx
        return Recent(
            per_second=round(in_rate / _RATE_SECONDS, 2),
            p95_ms=None if p95 is None else round(p95 * 1e3, 2),
            error_share=errors / shared.requests if shared.requests else None,
            failed_share=shared.errors_5xx / shared.requests if shared.requests else None,
            step_seconds=STEP,
            line=_line(seconds, end),
        )


def _line(seconds: Iterable[_Second], end: int) -> tuple[float, ...]:
    """Requests per second in each step, oldest first; empty when there were none."""
    start = floor(end, STEP) - POINTS * STEP
    counted = [0] * POINTS
    for one in seconds:
        place = (one.at - start) // STEP
        if 0 <= place < POINTS:
            counted[place] += one.counts.requests
    return tuple(round(count / STEP, 2) for count in counted) if any(counted) else ()
