"""How long a request would wait, so that it is refused at once where that is too long.

The estimate: a frame takes a fixed time and a time for each row, both fitted to the frames that
were answered lately.  What is in flight and what waits is added up and shared among the replicas.
Before the first answers the estimate is nothing, so that nobody is refused on a guess; while a
replica is idle nobody is refused at all, so that a wrong estimate corrects itself.

A burst may wait as long as its deadline allows: it is served, and gone.  A queue that stands is
another thing: it makes everybody late and nobody sooner, so once no replica has been idle for
BURST_SECONDS only a short wait is offered.  That is CoDel's distinction of good queue and bad
queue (RFC 8289), made on arrival, where the caller can still be told to go elsewhere.

The same estimate says how many rows go together: no more than can be answered soon.  All that is in
a frame waits for its last row, and frames that grow with the queue would make an overload grow.
Until frames of different sizes have been answered nobody knows what a row takes: then a frame is
not much larger than those before it, so that the first burst of a version is no frame of minutes.
"""

from __future__ import annotations

from typing import NamedTuple

from jupyter_deploy.gateway.dispatch.work import MAX_BATCH_ROWS

#: How much of its weight an observed frame keeps when the next one comes.
_KEPT = 0.95
#: Fewer frames (weighted) than these, after the first one, say nothing.
_LEAST = 2.8
#: An estimate over this share of the time to live is "too late": estimates err.
_SHARE = 0.8
#: A queue that has been there for longer than this stands; RFC 8289 calls it the interval.
BURST_SECONDS = 1.0
#: The wait that a standing queue offers: gone within two seconds of the end of an overload, also
#: where half of what can be served goes on, and long enough to keep replicas busy between arrivals.
STANDING_SECONDS = 1.0
#: For a model whose frames take longer: the wait for so many of them, so that a few callers who
#: each wait for their answer before they ask again are not refused.
_STANDING_FRAMES = 8
#: No request joins a frame that would then take longer: eight of them are a wait of a second.
FRAME_SECONDS = 0.125
#: Unless the time that a frame takes anyway is long: it is shared by more, for so many times it.
_FRAME_FIXED = 4.0
#: The first frame of a version holds no more rows, nor does that of a replica; the next ones of a
#: version, while little is known, so many times those of the largest that was answered of late.
_FIRST_ROWS = 8
_GROWTH = 2
#: Sizes that differ by less of their weight say nothing of what a row takes.
_LEAST_SPREAD = 0.01


class Ahead(NamedTuple):
    """What a request would wait for: what waits already, and what `replicas` replicas have.

    `flights` has rows and time of sending of each frame that is with one; no replica has been idle
    since `busy_since`.  Times are monotonic.
    """

    frames: int
    rows: int
    flights: list[tuple[int, float]]
    replicas: int
    busy_since: float | None


class Pace:
    """Seconds of a frame as `fixed + rows * per_row`: least squares, older frames count less."""

    def __init__(self) -> None:
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        self._per_row = 0.0
        #: Seconds that a frame takes whatever is in it; 0 when not yet known.
        self.fixed = 0.0
        self._largest = 0.0
        self._begun = False
        #: Whether frames of different sizes have told a row's time from a frame's.
        self._told_apart = False
        #: Requests of more rows do not share a frame.
        self.most_rows = _FIRST_ROWS

    def most_rows_of(self, *, warm: bool) -> int:
        """How many rows share a frame to a replica; one that is not `warm` has not answered yet."""
        return self.most_rows if warm else min(self.most_rows, _FIRST_ROWS)

    def add(self, rows: int, seconds: float, *, warm: bool = True) -> None:
        """A frame of `rows` rows took a replica `seconds`, its first one if it was not `warm`."""
        if self._begun and not warm:
            # A first call may take a hundred times as long: it is no measure for the next ones.
            return
        self._largest = max(float(rows), self._largest * _KEPT)
        if not self._begun:
            self._begun = True
            self.most_rows = most_rows_at_first(self._largest, seconds / rows)
            return
        self._n = self._n * _KEPT + 1
        self._x = self._x * _KEPT + rows
        self._y = self._y * _KEPT + seconds
        self._xx = self._xx * _KEPT + rows * rows
        self._xy = self._xy * _KEPT + rows * seconds
        self._fit()

    def seconds(self, frames: float, rows: float) -> float:
        """How long one replica needs for `rows` rows in `frames` frames; 0 when not yet known."""
        if self._n < _LEAST:
            return 0.0
        return frames * self.fixed + rows * self._per_row

    def overdue(self, ahead: Ahead, rows: int, *, now: float, timeout: float) -> float:
        """By how many seconds a request of `rows` rows would wait too long behind `ahead`."""
        own = self.seconds(frames_of(rows), rows)
        busy = 0.0 if ahead.busy_since is None else now - ahead.busy_since
        waiting = self.seconds(ahead.frames, ahead.rows)
        flying = self.seconds(len(ahead.flights), sum(rows for rows, _ in ahead.flights))
        # Almost always there is time, even if all in flight had only just been sent.
        most = overdue((waiting + flying) / ahead.replicas, own, 0.0, busy=busy, timeout=timeout)
        if most <= 0:
            return most
        flights = [(self.seconds(1, rows), now - sent) for rows, sent in ahead.flights]
        left = sum(max(0.0, needed - had) for needed, had in flights)
        frame = max((needed for needed, _ in flights), default=own)
        return overdue((waiting + left) / ahead.replicas, own, frame, busy=busy, timeout=timeout)

    def _fit(self) -> None:
        # Here and not in `seconds`: a frame is answered once, and asked about by each request.
        spread = self._n * self._xx - self._x * self._x
        # Frames of one size tell nothing about rows but the most that one can take: what was known
        # stays.  At first all time is taken as fixed, which is the estimate that refuses least.
        if spread > _LEAST_SPREAD * self._n * self._xx:
            self._per_row = max(0.0, (self._n * self._xy - self._x * self._y) / spread)
            self._told_apart = self._told_apart or self._per_row > 0
        elif self._per_row * self._x > self._y:
            self._per_row = self._y / self._x
        self.fixed = max(0.0, (self._y - self._per_row * self._x) / self._n)
        if self._told_apart:
            self.most_rows = most_rows(self.fixed, self._per_row)
        else:
            self.most_rows = most_rows_at_first(self._largest, self._y / self._x)


def most_rows(fixed: float, per_row: float) -> int:
    """How many rows share a frame that takes `fixed + rows * per_row` seconds."""
    seconds = max(FRAME_SECONDS - fixed, _FRAME_FIXED * fixed)
    if MAX_BATCH_ROWS * per_row <= seconds:
        return MAX_BATCH_ROWS
    return max(1, int(seconds / per_row))


def most_rows_at_first(largest: float, per_row: float) -> int:
    """The same while little is known: the largest frame of late had `largest` rows.

    No row takes longer than `per_row` seconds: that would be so if all time went by rows.
    """
    rows = max(_GROWTH * largest, FRAME_SECONDS / max(per_row, FRAME_SECONDS / MAX_BATCH_ROWS))
    return min(MAX_BATCH_ROWS, int(rows))


def frames_of(rows: int, most: int = MAX_BATCH_ROWS) -> int:
    """The frames of at most `most` rows that so many rows fill."""
    return -(-rows // most)


def overdue(ahead: float, own: float, frame: float, *, busy: float, timeout: float) -> float:
    """By how many seconds a request would wait too long; 0 or less: it may wait.

    `ahead` is the wait before it and `own` the time it takes itself; `frame` is the time of one
    frame; no replica has been idle for `busy`; `timeout` is what the request has to live.  Seconds.
    """
    late = ahead + own - timeout * _SHARE
    if busy <= BURST_SECONDS:
        return late
    return max(late, ahead - max(STANDING_SECONDS, _STANDING_FRAMES * frame))
