"""What a replica has been sent and has not answered yet."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.dispatch.link import ReplicaLink
from jupyter_deploy.gateway.dispatch.work import Work
from jupyter_deploy.wire.messages import PredictRequest, pack_request

#: A frame that took longer when its replica left the rotation is asked again elsewhere.
_LONG_SECONDS = 1.0
#: A request that was alone with so many replicas that died at work on it is not tried again, ...
_DEATHS_AT_WORK = 2
#: ... nor one that so many died with, whether they had begun or not: reading it may be what kills.
_DEATHS = 4


@dataclass(slots=True)
class Flight:
    """One frame on one link."""

    link: ReplicaLink
    frame_id: int
    batch: list[Work]
    rows: int
    #: Whether the replica had answered before.
    warm: bool

    @property
    def sent_at(self) -> float:
        """When it was sent (monotonic)."""
        return self.batch[0].sent_at

    @property
    def begun(self) -> bool:
        """Whether the replica has begun with it, and has not only taken it from us."""
        return self.link.has_begun(self.frame_id)

    def computes(self, work: Work) -> bool:
        """Whether the replica is at work on this request, or on a piece of it."""
        return self.begun and any(work in (one, one.whole) for one in self.batch)

    def was_deadly(self) -> bool:
        """Note that the replica has died; whether its request is taken for the cause."""
        if len(self.batch) > 1:
            return False
        (work,) = self.batch
        work.deaths += 1
        # One that was dead before the request came to it is not the request's doing.
        work.deaths_at_work += self.begun
        return work.deaths_at_work >= _DEATHS_AT_WORK or work.deaths >= _DEATHS

    def to_be_asked_elsewhere(self, now: float) -> bool:
        """Whether another replica shall be asked, as this one is silent."""
        # One of several requests may be why: they are asked again, each alone.  A request that was
        # alone is not, it would silence the next replica too, unless it is not what keeps this one.
        return now - self.sent_at > _LONG_SECONDS and (len(self.batch) > 1 or not self.begun)


def payload_of(batch: list[Work], arrays: ArrayBuilder, now: float) -> bytes:
    """What a frame with `batch` carries.  Raises ValueError, TypeError or OverflowError."""
    columns = arrays.batch([work.input for work in batch])
    rows = sum(work.input.count for work in batch)
    seconds_left = max(0.0, max(work.deadline for work in batch) - now)
    return pack_request(PredictRequest(columns, rows, seconds_left, batch[0].input.params))
