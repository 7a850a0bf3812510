"""Callers with connections of their own, who know which gateway answers them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from tests.gateways import Stack

SECONDS = 120.0
#: The part of a request id that tells gateways apart.
_GATEWAY = slice(0, 12)


@dataclass(frozen=True)
class Answer:
    """What came back; `gateway` is a name of the process that it came from."""

    status: int
    body: str
    gateway: str

    @property
    def code(self) -> str:
        """The code in a problem document."""
        return str(json.loads(self.body)["type"]).rpartition("#")[2]


class Caller:
    """One kept-alive connection, so all that it asks is answered by one gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, stack: Stack) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", stack.port))

    async def predict(self, name: str, row: list[float], key: str) -> Answer:
        return await self._ask(f"/endpoints/{name}/invocations", key, json.dumps({"inputs": [row]}))

    async def look(self) -> Answer:
        """Ask for nothing, of the gateway: when it has answered, it has read what came before."""
        return await self._ask("/v2/health/live")

    async def _ask(self, path: str, key: str = "", body: str = "") -> Answer:
        method = "POST" if body else "GET"
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        head = dict(line.split(": ", 1) for line in lines[1:] if line)
        answer = await self._reader.readexactly(int(head["content-length"]))
        gateway = head["x-request-id"][_GATEWAY]
        return Answer(int(lines[0].split()[1]), answer.decode(), gateway)

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def one_at_each(stack: Stack, connections: int = 1) -> AsyncIterator[list[list[Caller]]]:
    """So many callers at each gateway."""
    callers: dict[str, list[Caller]] = {}
    everyone: list[Caller] = []
    try:
        async with asyncio.timeout(SECONDS):
            while len(callers) < len(stack.gateways) or any(
                len(some) < connections for some in callers.values()
            ):
                everyone.append(caller := await Caller.connect(stack))
                callers.setdefault((await caller.look()).gateway, []).append(caller)
            yield [some[:connections] for some in callers.values()]
    finally:
        for caller in everyone:
            caller.close()


@dataclass
class Answers:
    """What many callers got: statuses, and how often each gateway has answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    gateways: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def send(stack: Stack, key: str, requests: int, connections: int = 64) -> Answers:
    """So many requests to an endpoint `total`, each with a row of its own."""
    found = Answers()
    numbers = iter(range(requests))

    async def call() -> None:
        caller = await Caller.connect(stack)
        for number in numbers:
            answer = await caller.predict("total", [number, 1], key)
            found.statuses[answer.status] += 1
            found.gateways[answer.gateway] += 1
            if answer.status == 200 and json.loads(answer.body) != {"predictions": [number + 1.0]}:
                found.wrong.append(answer.body)
        caller.close()

    async def all_callers() -> None:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(call() for _ in range(connections)))

    asyncio.run(all_callers())
    assert not found.wrong
    return found
