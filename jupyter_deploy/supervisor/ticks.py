"""Ticks: waits of the supervisor that end together.

Whoever looks every so often does so at the same moments as the others.  A supervisor at rest wakes
twice a second then, and not once for each of them: waking up is most of what it does at rest.
"""

from __future__ import annotations

import asyncio

from jupyter_deploy.core.health import ASK_SECONDS, next_tick


async def tick(seconds: float, turn: int = 0) -> None:
    """Wait for the next tick of those that come every so many seconds, to the nearest half.

    `turn` tells those apart who need not be woken by the same one.
    """
    now = asyncio.get_running_loop().time()
    number = next_tick(now / ASK_SECONDS, round(seconds / ASK_SECONDS), turn)
    await asyncio.sleep(number * ASK_SECONDS - now)
