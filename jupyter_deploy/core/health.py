"""Silence: what it means that a replica has not answered a heartbeat yet.

A heartbeat waits in the queue that serves predictions, so it comes back when the model's call has
ended.  A call that hangs and one that is only long look the same from outside; what is done about
either is therefore harmless to a long one:

    silent for 2 s               -> out of the rotation; another replica takes its place
    answers after all            -> back in the rotation; the other may go
    stopped, or silent for longer than any request may take  -> killed

Rule 1: only time that the replica could have used counts: not what it waited for a processor, nor
what the supervisor itself came late.  Rule 2: what a version ordinarily takes is no silence.
Rule 3: this file reads no clock and no process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

#: A replica is asked this often ...
ASK_SECONDS = 0.5
#: ... and ejected this long after a question: together not more than 2 s, a quarter of a second of
#: which is for looks that come late, and for telling.
SILENT_SECONDS = 1.25
#: A call that takes this many times what is usual for its version is no usual call.
_UNUSUAL = 2.0
#: What was usual is forgotten slowly, one answer after the other.
_FORGET = 0.95
#: A clock that is woken this part of a tick early has been woken by it.
_EARLY = 0.02
#: A replica that is silent this much longer than any request may take is killed.
SPARE_SECONDS = 5.0


class Verdict(StrEnum):
    """What a silence means."""

    WAIT = "wait"
    EJECT = "eject"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Silence:
    """A heartbeat without an answer: seconds by the clock, and those that count.

    Invariant: 0 <= counted <= waited.
    """

    waited: float = 0.0
    counted: float = 0.0

    def __post_init__(self) -> None:
        assert 0.0 <= self.counted <= self.waited

    @classmethod
    def told(cls, waited: float) -> Silence:
        """One of `waited` seconds that somebody else has seen.

        What the process waited for a processor is not known of it: it counts for an ejection, which
        costs nothing, and not for more.
        """
        return cls(waited, min(waited, SILENT_SECONDS))

    def longer(self, passed: float, *, planned: float, starved: float) -> Silence:
        """After `passed` seconds more, of which `planned` were to be slept by who watches.

        `starved` is what the replica waited for a processor meanwhile.
        """
        # A watcher that came late was starved, and so, likely, was who is watched.  What that one
        # has waited is in the time by which the watcher was late, and is not taken off twice.
        usable = max(0.0, min(planned, passed - starved))
        return replace(self, waited=self.waited + passed, counted=self.counted + usable)


def judge(silence: Silence, *, usual: float, timeout: float, stopped: bool) -> Verdict:
    """What to do about a silence.

    `usual` is what the version takes to answer, `timeout` what a request may take, and `stopped`
    says that the process is not running at all (SIGSTOP, a debugger).
    """
    longest = timeout + SPARE_SECONDS
    if silence.counted >= longest:
        return Verdict.KILL
    if silence.counted < min(longest, max(SILENT_SECONDS, _UNUSUAL * usual)):
        return Verdict.KILL if stopped and silence.counted >= SILENT_SECONDS else Verdict.WAIT
    return Verdict.KILL if stopped else Verdict.EJECT


def next_tick(now: float, every: int, turn: int) -> int:
    """The number of the next tick for who is asked at each one, or at `every` so many.

    `now` is counted in ticks.  Those of other turns have other ticks, so that each has as many.
    """
    following = math.floor(now + _EARLY) + 1
    return following + (turn - following) % max(1, every)


def usual_after(usual: float, answered: float) -> float:
    """What is usual once an answer took `answered` seconds: the longest of late."""
    return max(answered, usual * _FORGET)
