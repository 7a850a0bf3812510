"""Waits that end together."""

from __future__ import annotations

import asyncio

import uvloop

from jupyter_deploy.supervisor.ticks import tick


def test_all_who_wait_for_a_tick_are_woken_in_one_turn_of_the_loop() -> None:
    async def woken_at() -> set[float]:
        loop = asyncio.get_running_loop()
        waiting = []
        await tick(0.5)
        for seconds in (0.5, 0.5, 0.5):
            began = loop.time()
            waiting.append(loop.create_task(_at(tick(seconds))))
            while loop.time() == began:  # noqa: ASYNC110 - they begin at different times
                await asyncio.sleep(0)
        return set(await asyncio.gather(*waiting))

    # Within one turn the loop's clock stands still.
    assert len(uvloop.run(woken_at())) == 1


async def _at(waiting) -> float:
    await waiting
    return asyncio.get_running_loop().time()
