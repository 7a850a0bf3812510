"""Events: what cannot be written now is told all the same, and written when that works again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.store import Store, reading


@pytest.fixture(autouse=True)
def nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_deploy.supervisor.store.BUSY_SECONDS", 0.05)
    monkeypatch.setattr("jupyter_deploy.supervisor.journal._RETRY_SECONDS", 0.05)


@contextlib.asynccontextmanager
async def opened(home: Path) -> AsyncIterator[tuple[Store, Journal]]:
    """A store, and a journal that has read it."""
    store = Store(home / "state.db")
    await store.open()
    try:
        journal = Journal(store)
        await journal.load()
        yield store, journal
    finally:
        await store.close()


async def written(store: Store) -> list[str]:
    return [event.kind for event in await store.read(lambda c: reading.events(c, 10))]


async def until_written(store: Store, kinds: list[str]) -> None:
    async with asyncio.timeout(10):
        while await written(store) != kinds:  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)


def test_an_event_that_cannot_be_written_is_told_and_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def use() -> None:
        async with opened(tmp_path) as (store, journal):
            writing = asyncio.ensure_future(journal.run())
            with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                journal.add("replica-ended", "A replica has ended.")
                assert [one.kind for one in await journal.after(0, 0.0)] == ["replica-ended"]
                async with asyncio.timeout(10):
                    while "cannot be written now" not in caplog.text:  # noqa: ASYNC110 - a log
                        await asyncio.sleep(0.01)
                other.execute("ROLLBACK")
            await until_written(store, ["replica-ended"])
            # Nor is it written twice, or forgotten by the next supervisor.
            journal.add("adopted", "Something goes on.")
            await until_written(store, ["replica-ended", "adopted"])
            writing.cancel()
            following = Journal(store)
            await following.load()
            assert [one.number for one in await following.after(0, 0.0)] == [1, 2]

    asyncio.run(use())


def test_no_number_is_given_twice_where_a_supervisor_died_before_it_had_written(
    tmp_path: Path,
) -> None:
    """Who has seen its last event asks for those after that one."""

    async def use() -> None:
        async with opened(tmp_path) as (store, journal):
            journal.add("replica-ended", "A replica has ended.")
            (seen,) = await journal.after(0, 0.0)
            following = Journal(store)
            await following.load(died=True)
            following.add("adopted", "Something goes on.")
            assert [one.kind for one in await following.after(seen.number, 0.0)] == ["adopted"]

    asyncio.run(use())
