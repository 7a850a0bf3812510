"""Requests to replicas: queues, batches, retries and deadlines.

Rule 1: an idle replica gets a request at once; while all are busy, requests wait together and go
as one frame.  There is no timer that waits for a batch to fill.  Rule 2: one frame in flight for
each replica.  Rule 3: every request has a deadline and every queue a bound; what
would miss its deadline is refused when it comes.  Rule 4: a large request goes in pieces.
"""

from jupyter_deploy.gateway.dispatch.ask import ask
from jupyter_deploy.gateway.dispatch.queue import VersionQueue
from jupyter_deploy.gateway.dispatch.work import Elsewhere, Reply, Result, Work

__all__ = ["Elsewhere", "Reply", "Result", "VersionQueue", "Work", "ask"]
