"""Load of which every answer can be checked, and what became of each request.

Each request has a row of its own, and the model gives the row back times a factor: an answer that
belongs to another request, or to a version that was never deployed, is seen to be wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import threading
import time
from collections import Counter
from collections.abc import Collection, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support import wait_until

CONNECTIONS = 8
#: How long peak is measured, and which part of it is the load.
PEAK_SECONDS, PART_OF_PEAK = 1.0, 0.5
#: A caller waits so long; the model's own deadline ends a request before.
CALLER_SECONDS = 60.0


@dataclass(slots=True)
class Sent:
    """One request: monotonic times, and `outcome`: "right", "wrong", a status, or how it broke."""

    row: list[float]
    at: float
    answered: float | None = None
    outcome: str = "open"
    said: str = ""
    #: The answer has a Retry-After.
    again: bool = False

    def waited_out(self, deadline: float) -> bool:
        """Whether it was given up, with leave to send it again, when its time was over."""
        return self.outcome == "503" and self.again and self.seconds >= 0.9 * deadline

    @property
    def seconds(self) -> float:
        """How long the caller waited."""
        return (self.answered or time.monotonic()) - self.at


@dataclass
class Ledger:
    """Every request that was sent."""

    sent: list[Sent] = field(default_factory=list)
    #: How many of them have been answered rightly: counted, as half an hour of them is a million.
    right: int = 0

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(one.outcome for one in self.sent)

    @property
    def answered(self) -> int:
        return sum(one.answered is not None for one in self.sent)

    @property
    def failed(self) -> list[Sent]:
        """Those that have not been answered rightly."""
        return [one for one in self.sent if one.outcome not in ("right", "open")]

    @property
    def slowest(self) -> float:
        return max((one.seconds for one in self.sent), default=0.0)

    def in_flight(self, begin: float, end: float | None = None) -> list[Sent]:
        """Those that were under way at a moment between `begin` and `end`."""
        last = begin if end is None else end
        return [one for one in self.sent if one.at <= last and (one.answered or last) >= begin]

    def in_vain(self, begin: float, end: float, deadline: float) -> list[Sent]:
        """Those that were given up between `begin` and `end`, when there was no replica."""
        return [
            one
            for one in self.failed
            if one.waited_out(deadline) and begin <= (one.answered or end) <= end
        ]

    def only_what_was_in_flight(self, begin: float, end: float) -> None:
        """What failed was under way at a moment between `begin` and `end`, and none was refused."""
        lost = set(map(id, self.in_flight(begin, end)))
        print(f"{len(self.failed)} of {len(self.sent)} lost, {len(lost)} were in flight")
        others = [
            (one, one.at - begin)
            for one in self.failed
            if id(one) not in lost or one.outcome.startswith("refused")
        ]
        assert not others, (end - begin, self.outcomes, others[:10])
        # A caller whose connection is gone makes another one: none loses a second request.
        assert len(self.failed) <= CONNECTIONS

    def nobody_noticed(self) -> None:
        """Nothing failed, and something was asked."""
        assert self.sent, "no request was sent"
        assert not self.failed, (self.outcomes, self.failed[:3])

    def nothing_wrong(self) -> None:
        """Whatever else: no answer was another's."""
        assert self.outcomes["wrong"] == 0, [one for one in self.sent if one.outcome == "wrong"][:3]


class Load:
    """Callers with kept-alive connections, in a thread of their own, until `stop`.

    `factors` are those of the versions that may answer.
    """

    def __init__(self, url: str, key: str, *, factors: Collection[float] = (1.0,)) -> None:
        self.factors = set(factors)
        self.ledger = Ledger()
        self.peak = 0.0
        self._url, self._key = url, key
        self._count = 0
        self._stopping = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._thread.start()
        self._callers: Future[Any] | None = None

    def measure(self) -> float:
        """Requests a second that the stack and these callers reach together."""
        until = time.monotonic() + PEAK_SECONDS
        self._do(self._all(0.0, until)).result(CALLER_SECONDS)
        self.ledger.nobody_noticed()
        self.peak = self.ledger.answered / PEAK_SECONDS
        self.ledger = Ledger()
        return self.peak

    def start(self, peak: float) -> None:
        """Half of `peak`, from now on."""
        pace = CONNECTIONS / (peak * PART_OF_PEAK)
        self._callers = self._do(self._all(pace, None))

    def ask(self, row: list[float]) -> Future[Sent]:
        """One request more, beside the others, on a connection of its own."""
        return self._do(self._once(row))

    def after(self, answers: int, seconds: float = 60.0) -> None:
        """Return once so many more have been answered rightly."""
        goal = self.ledger.right + answers
        wait_until(lambda: self.ledger.right >= goal, seconds)

    def answers_since(self, moment: float, seconds: float = 30.0) -> float:
        """When the first request that was sent after `moment` was answered rightly."""

        def first() -> float | None:
            later = (one for one in reversed(self.ledger.sent) if one.at > moment)
            return min((one.answered or 0 for one in later if one.outcome == "right"), default=None)

        return wait_until(first, seconds)

    def stop(self) -> Ledger:
        """Send no more; the ledger, once everything that was sent has ended."""
        self._stopping.set()
        if self._callers is not None:
            self._callers.result(CALLER_SECONDS + 10)
            self._callers = None
        return self.ledger

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _all(self, pace: float, until: float | None) -> None:
        callers = [self._call(pace, n * pace / CONNECTIONS, until) for n in range(CONNECTIONS)]
        await asyncio.gather(*callers)

    async def _call(self, pace: float, first: float, until: float | None) -> None:
        due = time.monotonic() + first
        connection = _Connection(self._url, self._key)
        try:
            while not self._stopping.is_set() and (until is None or time.monotonic() < until):
                await asyncio.sleep(due - time.monotonic())
                # A caller that was held up does not catch up: that would be another load.
                due = max(due + pace, time.monotonic())
                self._count += 1
                await self._send(connection, [float(self._count), 0.0])
        finally:
            connection.close()

    async def _once(self, row: list[float]) -> Sent:
        connection = _Connection(self._url, self._key)
        try:
            return await self._send(connection, row)
        finally:
            connection.close()

    async def _send(self, connection: _Connection, row: list[float]) -> Sent:
        try:
            await connection.open()
        except OSError as error:
            sent = Sent(row, time.monotonic(), time.monotonic(), f"refused: {error!r}")
            self.ledger.sent.append(sent)
            return sent
        sent = Sent(row, time.monotonic())
        self.ledger.sent.append(sent)
        try:
            async with asyncio.timeout(CALLER_SECONDS):
                status, sent.again, body = await connection.ask(row)
            sent.outcome, sent.said = self._judge(row, status, body), body.decode()[:300]
            self.ledger.right += sent.outcome == "right"
        except (OSError, EOFError) as error:  # also a timeout
            connection.close()
            sent.outcome = f"broken: {error!r}"
        sent.answered = time.monotonic()
        return sent

    def _judge(self, row: list[float], status: int, body: bytes) -> str:
        if status != 200:
            return str(status)
        (answer,) = json.loads(body)["predictions"]
        return "right" if answer in {sum(row) * factor for factor in self.factors} else "wrong"


class _Connection:
    """One kept-alive connection; made again when the other side has closed it."""

    def __init__(self, url: str, key: str) -> None:
        at = urlsplit(url)
        self._host, self._port = str(at.hostname), int(at.port or 80)
        self._head = (
            f"POST {at.path}/invocations HTTP/1.1\r\nHost: {at.netloc}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: "
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        """Connect, unless there is a connection.  Raises OSError."""
        if self._streams is not None and _dropped(self._streams[1]):
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)

    async def ask(self, row: list[float]) -> tuple[int, bool, bytes]:
        """Status, whether it says when to come again, and body.  Raises OSError or EOFError."""
        assert self._streams is not None
        reader, writer = self._streams
        asked = json.dumps({"inputs": [row]})
        writer.write(f"{self._head}{len(asked)}\r\n\r\n{asked}".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        body = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split()[1]), "\r\nretry-after:" in head, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def _dropped(connection: asyncio.StreamWriter) -> bool:
    """Whether the other side has closed it, also where the loop had no turn yet to notice.

    As urllib3 looks: nothing is to come on it, so what can be read is the end.
    """
    if connection.is_closing():
        return True
    poll = select.poll()
    poll.register(connection.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def under_load(url: str, key: str, peak: float, **how: Any) -> Iterator[Load]:
    """Half of peak while the block runs."""
    load = Load(url, key, **how)
    try:
        load.start(peak)
        load.after(20)
        yield load
    finally:
        load.close()


def peak_of(url: str, key: str) -> float:
    """Requests a second that are possible here and now."""
    load = Load(url, key)
    try:
        return load.measure()
    finally:
        load.close()
