"""One request on its way to a replica, and what comes back for it."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from jupyter_deploy.errors import RequestError
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.wire.arrays import Array
from jupyter_deploy.wire.frames import Frame
from jupyter_deploy.wire.messages import PredictAnswer

#: A frame holds at most so many rows and bytes of bodies, unless a single request has more.
MAX_BATCH_ROWS = 4096
MAX_BATCH_BYTES = 8_000_000


class Trace(msgspec.Struct):
    """Payload of a FAILED frame: what the model raised."""

    type: str = ""
    message: str = ""
    trace: str = ""

    @classmethod
    def of(cls, frame: Frame) -> Trace:
        """What a FAILED frame says."""
        try:
            return msgspec.json.decode(frame.payload, type=cls)
        except msgspec.MsgspecError:
            return cls(message="the replica's report cannot be read")


class BatchAnswer:
    """A replica's answer to one frame, shared by the requests in it."""

    __slots__ = ("_lists", "answer")

    def __init__(self, answer: PredictAnswer) -> None:
        self.answer = answer
        self._lists: dict[str, list[Any]] | None = None

    @property
    def lists(self) -> dict[str, list[Any]]:
        """The arrays as Python values, by name; made once for the whole frame."""
        if self._lists is None:
            named = zip(self.answer.names, self.answer.arrays, strict=True)
            self._lists = {name: as_list(array) for name, array in named}
        return self._lists

    def fits(self, rows: int) -> bool:
        """Whether each of `rows` rows has its own part of the answer."""
        if not self.answer.rowwise:
            return False
        return all(array.ndim and len(array) == rows for array in self.answer.arrays)


@dataclass(slots=True)
class Reply:
    """The part of an answer that belongs to one request: rows `start` to `stop`.  Seconds."""

    batch: BatchAnswer
    start: int
    stop: int
    queue_seconds: float
    model_seconds: float


class Elsewhere(Exception):
    """No replica will answer here: where the path of the request leads now, one may."""


#: How a request ended: with its answer, or without one and why.
Result: TypeAlias = Reply | RequestError | Elsewhere


class Work:
    """One request.  `queued_at` and `deadline` are monotonic; the queue sets them.

    `alone` says that it shares no frame: because the model says so, or because a frame that it was
    in has failed.  `pinned` says that no other version may answer it.  `whole` is the request that
    this is a piece of.
    `deaths` counts the replicas that died with this request alone in flight, `deaths_at_work` those
    of them that had begun with it.
    `result` is None until the request has ended; `on_end` is called then, once.
    """

    __slots__ = ("alone", "body", "consumer", "deadline", "deaths", "deaths_at_work", "input",
                 "on_end", "pinned", "queued_at", "request_id", "result", "sent_at",
                 "whole")  # fmt: skip

    def __init__(
        self, request: Input, body: bytes, *, request_id: str, consumer: str, pinned: bool = False
    ) -> None:
        self.input = request
        self.body = body
        self.deadline = 0.0
        self.request_id = request_id
        self.consumer = consumer
        self.pinned = pinned
        self.result: Result | None = None
        self.on_end: Callable[[Work], None] | None = None
        self.alone = request.params is not None
        self.deaths = 0
        self.deaths_at_work = 0
        self.queued_at = 0.0
        self.sent_at = 0.0
        self.whole: Work | None = None

    @property
    def ended(self) -> bool:
        """Whether nobody waits for this any more."""
        return self.result is not None or (self.whole is not None and self.whole.ended)

    def end(self, result: Result) -> None:
        """The request ends with `result`, unless it has ended."""
        if self.result is None:
            self.result = result
            if self.on_end is not None:
                self.on_end(self)

    def fail(self, error: RequestError | Elsewhere) -> None:
        """The request ends without an answer; with a piece ends the whole."""
        (self.whole or self).end(error)

    def digest(self) -> bytes:
        """What tells this body from all others."""
        return hashlib.sha256(self.body).digest()


def take_batch(queue: deque[Work], most: int, most_rows: int = MAX_BATCH_ROWS) -> list[Work]:
    """The next requests from `queue` for one frame: up to `most` that may go together.

    A request of more than `most_rows` rows has a frame of its own.
    Those that have ended meanwhile are dropped; the list is empty when none is left.
    """
    batch: list[Work] = []
    rows = size = 0
    while queue and len(batch) < most:
        work = queue[0]
        if work.ended:
            queue.popleft()
            continue
        rows += work.input.count
        size += len(work.body)
        if batch and (work.alone or rows > most_rows or size > MAX_BATCH_BYTES):
            break
        batch.append(queue.popleft())
        if work.alone:
            break
    return batch


def take_movable(queue: deque[Work], *, pinned: bool) -> list[Work]:
    """Take those from `queue` that another version may answer; with `pinned`, all."""
    moving = [work for work in queue if pinned or not (work.whole or work).pinned]
    staying = [work for work in queue if not pinned and (work.whole or work).pinned]
    queue.clear()
    queue.extend(staying)
    return moving


def shares(batch: list[Work]) -> list[tuple[Work, int, int]]:
    """Each request with the rows of the frame that are its own."""
    ends = list(itertools.accumulate(work.input.count for work in batch))
    return list(zip(batch, [0, *ends], ends, strict=False))


def as_list(array: Array) -> list[Any]:
    """The rows of an array of an answer as Python values; times as text."""
    if array.dtype.kind != "M":
        values = array.tolist()
        return values if isinstance(values, list) else [values]
    return [None if text == "NaT" else text for text in array.astype("U").tolist()]
