"""Waiting for the answer to a request, for those who cannot be told of it."""

from __future__ import annotations

import asyncio

from jupyter_deploy.gateway.body import Disconnected
from jupyter_deploy.gateway.dispatch.queue import VersionQueue
from jupyter_deploy.gateway.dispatch.work import Reply, Result, Work


async def ask(queue: VersionQueue, work: Work) -> Reply:
    """The answer to `work`.  Raises a RequestError, or Elsewhere."""
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def tell(result: Result) -> None:
        if future.done():  # nobody waits for it
            return
        if isinstance(result, Reply):
            future.set_result(result)
        else:
            future.set_exception(result)

    queue.put(work, tell)
    try:
        return await future
    except asyncio.CancelledError:
        queue.drop(work, Disconnected())
        raise
