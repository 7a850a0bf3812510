"""The requests of one version, and the replicas that answer them.

Life of a request: waiting -> in flight -> answered, with these ways back and out:

    the replica dies            -> waiting, alone; after two at work on it alone: Poisonous
    the replica falls silent    -> waiting, alone, where it shared a frame; else in flight
    a frame of several fails    -> waiting, alone, so that one bad row fails nobody else
    a frame of one fails        -> ModelFailed
    the deadline passes         -> DeadlineExceeded where a replica is at work on it; else
                                   Overloaded, or NoReplica where there is none
    the queue is full, or the wait would be too long (load.py) -> Overloaded, at once
    the caller goes             -> out of the queue; what a replica has already is computed
    the version has no replica, and another one the traffic -> Elsewhere

A request of more than MAX_BATCH_ROWS rows goes in pieces where the version may be batched.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable

from jupyter_deploy.core.snapshot import ReplicaRoute
from jupyter_deploy.errors import (
    DeadlineExceeded,
    ModelFailed,
    NoReplica,
    Overloaded,
    Poisonous,
    RequestError,
)
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.dispatch.flight import Flight, payload_of
from jupyter_deploy.gateway.dispatch.link import ReplicaLink, taken_last
from jupyter_deploy.gateway.dispatch.load import Ahead, Pace, frames_of
from jupyter_deploy.gateway.dispatch.pieces import Pieces
from jupyter_deploy.gateway.dispatch.poison import Ledger
from jupyter_deploy.gateway.dispatch.unanswered import Then, Unanswered
from jupyter_deploy.gateway.dispatch.work import (
    MAX_BATCH_ROWS,
    BatchAnswer,
    Elsewhere,
    Reply,
    Trace,
    Work,
    shares,
    take_batch,
    take_movable,
)
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.wire.frames import Frame, Kind
from jupyter_deploy.wire.messages import PredictAnswer, unpack_answer

MAX_WAITING = 4096
MAX_OPEN_BYTES = 256_000_000

#: Told of each request that failed on our side.
FailureSink = Callable[[Work, RequestError, Trace], None]
#: Told of each frame that was answered: its requests, its rows, the answer.
BatchSink = Callable[[int, int, PredictAnswer], None]


class VersionQueue:
    """Takes requests of one version to its replicas.

    Invariants: a link is in `_idle` or in `_flights` or not connected; a request is in `_waiting`,
    in one flight, in pieces, or has ended; `_open` holds those that have not.
    """

    def __init__(
        self, arrays: ArrayBuilder, *, batchable: bool, timeout: float, ledger: Ledger,
        on_failure: FailureSink, on_batch: BatchSink, log: Log, processes: int = 1,
    ) -> None:  # fmt: skip
        self._arrays = arrays
        self._batchable = batchable
        self._timeout = timeout
        self._on_failure = on_failure
        self._on_batch = on_batch
        self._log = log
        #: So many gateways send to the same replicas.
        self._processes = processes
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Work] = deque()
        self._rows_waiting = 0
        self._open = Unanswered(self._expire)
        self._links: dict[str, ReplicaLink] = {}
        self._idle: deque[ReplicaLink] = deque()
        self._flights: dict[ReplicaLink, Flight] = {}
        self._busy = self._busy_gone = 0.0
        self._poison = ledger
        self._pace = Pace()
        #: Since when no replica has been idle; None while one is.
        self._busy_since: float | None = None
        self._pumping = False
        #: To answer a request and to read the next one, which takes about as long; of one frame.
        self._turn_seconds = 0.0
        self._retiring = False
        self._has_traffic = True

    @property
    def waiting(self) -> int:
        """Requests that no replica has yet."""
        return sum(not work.ended for work in self._waiting)

    @property
    def busy_seconds(self) -> float:
        """Seconds that replicas have been at work, added up over all of them.

        Of several gateways each tells its part of what the replicas themselves have counted.
        """
        now = time.monotonic()
        if self._processes > 1:
            at_work = self._busy_gone + sum(link.busy_seconds(now) for link in self._links.values())
            return at_work / self._processes
        return self._busy + sum(now - flight.sent_at for flight in self._flights.values())

    @property
    def asked_at(self) -> dict[str, float]:
        """When each replica that has not answered was asked (monotonic), by its id."""
        return {link.replica_id: flight.sent_at for link, flight in self._flights.items()}

    @property
    def connected(self) -> int:
        """Replicas that can be given work."""
        return sum(link.connected and not link.draining for link in self._links.values())

    def update(self, replicas: Iterable[ReplicaRoute]) -> None:
        """Use exactly these replicas from now on; others finish what they have in flight."""
        wanted = {route.replica_id: route for route in replicas}
        for replica_id in self._links.keys() - wanted.keys():
            self._drain(self._links.pop(replica_id), others=bool(wanted))
        for route in wanted.values():
            if route.replica_id in self._links:
                self._links[route.replica_id].hurry()
            else:
                self._links[route.replica_id] = ReplicaLink(route, self, self._log)

    def retire(self) -> None:
        """The version is no longer served: finish what is there, then close the connections."""
        self._retiring = True
        self.has_traffic(so=False)
        self._close_if_done()

    def has_traffic(self, *, so: bool) -> None:
        """Whether requests that name no version come here."""
        self._has_traffic = so
        self._pump_soon()

    def put(self, work: Work, then: Then) -> None:
        """Have `work` answered; `then` is called with its result, once, and raises nothing.

        Raises a RequestError when it is not taken, and Elsewhere when the version has gone.
        """
        if self._retiring and not self._links:
            # A large body takes seconds to decode: its version may have gone meanwhile.
            raise Elsewhere
        now = time.monotonic()
        if len(self._waiting) >= MAX_WAITING or self._open.bytes >= MAX_OPEN_BYTES:
            raise Overloaded
        if self._poison and self._poison.holds(work.digest(), now):
            raise Poisonous
        self._check_wait(work, now)
        work.queued_at = now
        work.deadline = now + self._timeout
        work.alone = work.alone or not self._batchable
        work.on_end = self._over
        self._open.add(work, then)
        if work.input.count > MAX_BATCH_ROWS and not work.alone:
            # One more than there are replicas, so that none waits for the next piece.
            Pieces(work, MAX_BATCH_ROWS, self._enqueue).start(self.connected + 1)
        else:
            self._wait(work)
        self._pump_soon()

    def drop(self, work: Work, error: RequestError) -> None:
        """End `work` with `error`, and do not send it to a replica any more."""
        work.fail(error)
        with contextlib.suppress(ValueError):  # it is with a replica, or in pieces
            self._waiting.remove(work)
            self._rows_waiting -= work.input.count

    def link_up(self, link: ReplicaLink) -> None:
        """A replica can be given work."""
        self._log.info("replica connected", replica=link.replica_id)
        if link.draining:
            link.close()
            return
        self._idle.append(link)
        self._pump_soon()

    def link_down(self, link: ReplicaLink) -> None:
        """A replica has died, or its link was closed."""
        if link in self._idle:
            self._idle.remove(link)
        flight = self._flights.pop(link, None)
        if not link.draining:
            in_flight = len(flight.batch) if flight else 0
            self._log.warning("replica lost", replica=link.replica_id, in_flight=in_flight)
        if flight is not None:
            self._busy += time.monotonic() - flight.sent_at
            self._died_with(flight)

    def link_frame(self, link: ReplicaLink, frame: Frame) -> None:
        """A replica has answered."""
        flight = self._flights.get(link)
        if flight is None or flight.frame_id != frame.id:
            return
        del self._flights[link]
        # One that has expired has not been given to the model.
        link.warm = link.warm or frame.kind is not Kind.EXPIRED
        self._busy += time.monotonic() - flight.sent_at
        if link.draining:
            link.close()
        else:
            self._idle.append(link)
        if self._pace.fixed > 2 * self._turn_seconds * len(flight.batch):
            # One frame takes less than two: who has an answer may ask again before the next leaves.
            # This turn of the loop answers, the next one reads.
            self._pumping = True
            self._loop.call_soon(self._loop.call_soon, self._pump)
        else:
            # The next frame leaves before this one is taken apart: the replica need not wait.
            self._pump()
        began = time.monotonic()
        self._answered(flight, frame)
        self._turn_seconds = 2 * (time.monotonic() - began) / len(flight.batch)

    def _over(self, work: Work) -> None:
        self._open.end(work)
        if self._retiring:
            self._close_if_done()

    def _enqueue(self, work: Work) -> None:
        work.queued_at = time.monotonic()
        self._wait(work)
        self._pump_soon()

    def _wait(self, work: Work) -> None:
        self._waiting.append(work)
        self._rows_waiting += work.input.count

    def _check_wait(self, work: Work, now: float) -> None:
        """Raises Overloaded when `work` would wait for too long."""
        replicas = len(self._flights) + len(self._idle)
        # All that one turn of the loop reads finds the same replica idle: the first one gets it.
        if not replicas or (self._idle and not self._waiting):
            return
        rows, most = self._rows_waiting, self._pace.most_rows
        ahead = Ahead(
            frames=frames_of(rows, most) if self._batchable else len(self._waiting),
            rows=rows,
            flights=[(one.rows, one.sent_at) for one in self._flights.values()],
            replicas=replicas,
            busy_since=self._busy_since,
        )
        excess = self._pace.overdue(ahead, work.input.count, now=now, timeout=self._timeout)
        if excess > 0:
            raise Overloaded(excess)

    def _pump_soon(self) -> None:
        # Once for all that this turn of the loop has read, so that they go as one frame.
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        taken = taken_last(self._idle) if self._processes > 1 else 0
        while self._waiting and self._idle:
            share = -(-len(self._waiting) // max(1, len(self._idle) - taken))
            most_rows = self._pace.most_rows_of(warm=self._idle[0].warm)
            batch = take_batch(self._waiting, share, most_rows)
            if batch:
                self._send(self._idle.popleft(), batch)
        if self._waiting and not self._has_traffic:
            self._send_elsewhere()
        self._rows_waiting = sum(work.input.count for work in self._waiting)
        self._busy_since = None if self._idle else self._busy_since or time.monotonic()

    def _send_elsewhere(self) -> None:
        # A replica that is routed to may be connected yet, one of a version that is gone not.
        if self.connected if self._retiring else self._links:
            return
        for work in take_movable(self._waiting, pinned=self._retiring):
            work.fail(Elsewhere())

    def _send(self, link: ReplicaLink, batch: list[Work]) -> None:
        now = time.monotonic()
        try:
            payload = payload_of(batch, self._arrays, now)
        except (ValueError, TypeError, OverflowError):
            # The contract let through what no array can hold: our fault, told as such.
            self._log.exception("request cannot be packed", requests=len(batch))
            self._idle.append(link)
            self._retry_singly(batch, ModelFailed(), Trace())
            return
        for work in batch:
            work.sent_at = now
        rows = sum(work.input.count for work in batch)
        self._flights[link] = Flight(link, link.send(payload), batch, rows, link.warm)

    def _answered(self, flight: Flight, frame: Frame) -> None:
        match frame.kind:
            case Kind.PREDICTED:
                self._predicted(flight, frame)
            case Kind.EXPIRED:  # before the model was called
                for work in flight.batch:
                    work.fail(Overloaded())
            case Kind.FAILED:
                self._retry_singly(flight.batch, ModelFailed(), Trace.of(frame))

    def _predicted(self, flight: Flight, frame: Frame) -> None:
        batch = flight.batch
        try:
            answer = BatchAnswer(unpack_answer(frame.payload))
        except ValueError:
            trace = Trace(message="the replica's answer cannot be read")
            self._retry_singly(batch, ModelFailed(), trace)
            return
        self._pace.add(flight.rows, time.monotonic() - flight.sent_at, warm=flight.warm)
        whole = answer.fits(flight.rows)
        self._on_batch(len(batch), flight.rows, answer.answer)
        if not whole and len(batch) > 1:
            self._retry_singly(batch, ModelFailed(), Trace())
            return
        for work, start, stop in shares(batch):
            waited = work.sent_at - work.queued_at
            work.end(Reply(answer, start, stop, waited, answer.answer.model_seconds))

    def _retry_singly(self, batch: list[Work], error: RequestError, trace: Trace) -> None:
        if len(batch) > 1:
            self._again(batch)
            return
        if batch[0].whole is not None and batch[0].ended:  # another piece has failed already
            return
        self._on_failure(batch[0], error, trace)
        batch[0].fail(error)

    def _died_with(self, flight: Flight) -> None:
        if flight.was_deadly():
            self._poison.add(flight.batch[0].digest(), time.monotonic())
            self._retry_singly(flight.batch, Poisonous(), Trace())
        else:
            self._again(flight.batch)

    def _again(self, batch: list[Work]) -> None:
        for work in reversed(batch):
            work.alone = True
            self._waiting.appendleft(work)
        self._pump_soon()

    def _expire(self, late: list[Work]) -> None:
        for work in late:
            work.fail(self._expired(work))
        self._waiting = deque(work for work in self._waiting if not work.ended)

    def _expired(self, work: Work) -> RequestError:
        if any(flight.computes(work) for flight in self._flights.values()):
            return DeadlineExceeded(self._timeout)
        return Overloaded() if self.connected else NoReplica()

    def _drain(self, link: ReplicaLink, *, others: bool) -> None:
        link.draining = True
        self._busy_gone += link.busy_seconds(time.monotonic())
        flight = self._flights.get(link)
        if flight is not None:
            if not (others and flight.to_be_asked_elsewhere(time.monotonic())):
                return
            del self._flights[link]
            self._again(flight.batch)
        if link in self._idle:
            self._idle.remove(link)
        link.close()

    def _close_if_done(self) -> None:
        if not self._open:
            self._open.stop()
            self.update(())
