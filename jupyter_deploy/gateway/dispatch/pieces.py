"""A large request as pieces that travel as frames of their own.

Rule 1: only so many pieces wait at a time, and the next one goes behind all that waits by then, so
that a small request waits for a few pieces of each large one and not for all.  Rule 2: the answer
is put together in the order of the rows.  Rule 3: when the pieces' answers cannot be put together
(the model does not answer row by row), the request goes again, whole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch.work import BatchAnswer, Reply, Work
from jupyter_deploy.wire.arrays import Array
from jupyter_deploy.wire.messages import PredictAnswer

#: Told of a request that is to wait for a replica.
Enqueue = Callable[[Work], None]


class Pieces:
    """The pieces of `whole`; its answer is theirs put together.

    It keeps answers and no pieces: a piece knows of it, and a cycle with all the rows in it would
    stay until the collector looks, which is rarely.  So pieces are cut here and not in a generator,
    which keeps the last one it made; `enumerate` does, too.
    """

    def __init__(self, whole: Work, rows: int, enqueue: Enqueue) -> None:
        self._whole = whole
        self._enqueue = enqueue
        self._rows = rows
        self._left = iter(range(0, whole.input.count, rows))
        self._replies: dict[int, Reply] = {}
        self._unanswered = 0

    def start(self, most: int) -> None:
        """Have up to `most` pieces wait at a time."""
        for _ in range(most):
            self._next()

    def _next(self) -> None:
        start = next(self._left, None)
        if start is not None:
            self._unanswered += 1
            piece = _piece(self._whole, start, start + self._rows)
            piece.on_end = partial(self._answered, start)
            self._enqueue(piece)

    def _answered(self, start: int, piece: Work) -> None:
        if self._whole.ended:  # the deadline has passed, or the caller has gone
            return
        # A piece that fails ends the whole: this one has been answered.
        assert isinstance(piece.result, Reply)
        self._replies[start] = piece.result
        self._unanswered -= 1
        self._next()
        if not self._unanswered:
            self._finish()

    def _finish(self) -> None:
        whole = self._whole
        replies = [reply for _, reply in sorted(self._replies.items())]
        answer = joined(replies)
        if answer is None:
            whole.alone = True
            self._enqueue(whole)
            return
        waited = replies[0].queue_seconds
        whole.end(Reply(BatchAnswer(answer), 0, whole.input.count, waited, answer.model_seconds))


def joined(replies: list[Reply]) -> PredictAnswer | None:
    """One answer from several, one after the other.

    None when they are not all answers row by row, of the same names and shapes.
    """
    answers = [reply.batch.answer for reply in replies]
    first = answers[0]
    kinds = {(answer.names, answer.columns, _shapes(answer)) for answer in answers}
    if len(kinds) > 1 or not all(reply.batch.fits(reply.stop) for reply in replies):
        return None
    arrays = [
        _one_after_the_other([reply.batch.answer.arrays[index][: reply.stop] for reply in replies])
        for index in range(len(first.names))
    ]
    seconds = sum(answer.model_seconds for answer in answers)
    return PredictAnswer(first.names, arrays, seconds, columns=first.columns)


def _one_after_the_other(arrays: list[Array]) -> Array:
    if len({array.dtype for array in arrays}) > 1:
        # NumPy would make numbers of truth values, and round whole numbers beside fractions.
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays)


def _shapes(answer: PredictAnswer) -> tuple[tuple[int, ...], ...]:
    return tuple(array.shape[1:] for array in answer.arrays)


def _piece(whole: Work, start: int, stop: int) -> Work:
    part = whole.input.rows[start:stop]
    piece = Work(
        Input(len(part), part), whole.body, request_id=whole.request_id, consumer=whole.consumer
    )
    piece.deadline = whole.deadline
    piece.alone = True
    piece.whole = whole
    return piece
