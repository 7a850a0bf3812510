"""Stores of tests, and shorthand for what is done with them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from jupyter_deploy.supervisor.store import Store, writing

T = TypeVar("T")


def with_store(home: Path, use: Callable[[Store], Awaitable[T]]) -> T:
    """What `use` returns, of a store that is open for it; it closes like a process that dies."""

    async def run() -> T:
        store = Store(home / "state.db")
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def endpoints(store: Store) -> list[str]:
    return sorted(store.state.endpoints)


def adding(*names: str) -> Callable[[Store], Coroutine[None, None, None]]:
    async def add(store: Store) -> None:
        for name in names:
            await store.change(lambda connection, name=name: writing.endpoint(connection, name))
            assert await store.back_up()

    return add
