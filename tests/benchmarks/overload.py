"""Three times the load that can be served: what is served, who is refused and how soon.

A model of this benchmark needs a fixed time for each row, so its peak is known and small enough
that a generator on the same cores can send three times as much, on time and whether or not answers
come (an open loop; callers who wait for their answers would slow down with the server).  Says what
callers get before, during and after the overload, and what those of another endpoint notice.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

# As in __main__.py: a `tests` package in somebody's site-packages would hide ours.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import uvloop

from tests.process.stack import ROWS, Stack, stack

FACTOR = 3.0
_ROW_SECONDS = 0.003
_CALLERS = 64
#: Of normal load: a share of the peak.
_NORMAL = 0.5
#: Requests a second to the other endpoint, all the time.
_OTHER_RATE = 50.0
_QUIET_AFTER = 2.0
_BODY = b'{"inputs": [[1.0, 2.0]]}'


@dataclass(slots=True)
class Sent:
    """One request: when it was due and answered (monotonic), and how."""

    at: float
    answered: float = 0.0
    status: int = 0
    retry_after: bool = False

    @property
    def seconds(self) -> float:
        """How long its caller waited."""
        return max(0.0, self.answered - self.at)


class Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send on `transport`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand on an answer once it is whole."""
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head) and self._answer is not None:
            self._data = b""
            self._answer.set_result(head)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for an answer gets none."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed"))

    async def ask(self, request: bytes) -> bytes:
        """The head of the answer.  Raises OSError."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


@dataclass
class Endpoint:
    """Where requests go, how, and what became of each."""

    url: str
    key: str
    sent: list[Sent] = field(default_factory=list)
    _idle: list[Connection] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def at_rate(self, rate: float, seconds: float) -> list[Sent]:
        """Send `rate` requests a second for so long; those sent, once all are answered."""
        return await in_turn([self], rate, seconds)

    async def closed(self, callers: int, seconds: float) -> list[Sent]:
        """Callers who each wait for their answer and ask again."""
        first, until = len(self.sent), time.monotonic() + seconds

        async def caller() -> None:
            while (now := time.monotonic()) < until:
                self.sent.append(one := Sent(now))
                await self._ask(one)

        await asyncio.gather(*(caller() for _ in range(callers)))
        return self.sent[first:]

    def send(self, due: float) -> Sent:
        """Send one, and wait for nothing."""
        self.sent.append(one := Sent(due))
        task = asyncio.get_running_loop().create_task(self._ask(one))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return one

    async def answered(self) -> None:
        """Return once all that was sent is answered."""
        await asyncio.gather(*self._tasks)

    async def _ask(self, one: Sent) -> None:
        where = urlsplit(self.url)
        head = f"POST {where.path}/invocations HTTP/1.1\r\nHost: {where.netloc}\r\n"
        head += f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY
        if self._idle:
            connection = self._idle.pop()
        else:
            loop = asyncio.get_running_loop()
            assert where.port is not None
            _, connection = await loop.create_connection(Connection, "127.0.0.1", where.port)
        answer = await connection.ask(request)
        one.answered, one.status = time.monotonic(), int(answer.split(b" ", 2)[1])
        one.retry_after = b"\r\nretry-after:" in answer.lower()
        self._idle.append(connection)


async def in_turn(endpoints: Sequence[Endpoint], rate: float, seconds: float) -> list[Sent]:
    """Send `rate` requests a second to one after the other; all, once they are answered."""
    began, sent = time.monotonic(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        # The loop's clock may be a millisecond early.
        if (early := due - time.monotonic()) > 0:
            await asyncio.sleep(early)
        sent.append(endpoints[number % len(endpoints)].send(due))
    for endpoint in endpoints:
        await endpoint.answered()
    return sent


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.overload")
    parser.add_argument("--seconds", type=float, default=15.0, help="of the overload")
    parser.add_argument("--gateways", type=int, default=1, help="gateway processes")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="jd-") as folder:
        config = Path(folder) / "jupyter_deploy_config.py"
        config.write_text(f"c.SupervisorApp.gateway_processes = {asked.gateways}\n")
        with stack(Path(folder) / "home", JUPYTER_CONFIG_DIR=folder) as one:
            slow, other = _deploy(one, "slow", _slow()), _deploy(one, "other", _quick())
            uvloop.run(_measure(slow, other, asked.seconds))
    return 0


def _slow() -> Any:
    seconds = _ROW_SECONDS

    def model(x):  # type: ignore[no-untyped-def]
        import time

        # At work on a core, as a model is, for a time that is the same on each machine.
        until = time.perf_counter() + seconds * len(x)
        while time.perf_counter() < until:
            x.sum()
        return x.sum(axis=1)

    return model


def _quick() -> Any:
    def model(x):  # type: ignore[no-untyped-def]
        return x.sum(axis=1)

    return model


def _deploy(one: Stack, name: str, model: Any) -> Endpoint:
    ticket = one.begin(name)
    one.submit(ticket, one.fill(ticket, model, expected=np.asarray(ROWS.sum(axis=1))))
    return Endpoint(one.endpoint(name).url, one.key(name))


async def _measure(slow: Endpoint, other: Endpoint, seconds: float) -> None:
    await slow.closed(_CALLERS, 2.0)
    peak = len(await slow.closed(_CALLERS, 5.0)) / 5.0
    print(f"peak, {_CALLERS} callers: {peak:.0f}/s")
    beside = asyncio.create_task(other.at_rate(_OTHER_RATE, 2 * 10.0 + seconds + 5.0))
    before = await slow.at_rate(peak * _NORMAL, 10.0)
    overload = asyncio.create_task(slow.at_rate(peak * FACTOR, seconds))
    began = time.monotonic()
    await asyncio.sleep(seconds)
    ended = time.monotonic()
    after = await slow.at_rate(peak * _NORMAL, 10.0)
    during = await overload
    print(f"before, {_NORMAL:g} x peak: {_said(before)}")
    _tell_overload(during, began, ended, peak)
    _tell_after(after, ended)
    everyone = await beside
    for name, some in (
        ("before", [one for one in everyone if one.at < began]),
        ("during", [one for one in everyone if began <= one.at < ended]),
        ("after", [one for one in everyone if one.at >= ended]),
    ):
        print(f"another endpoint at {_OTHER_RATE:g}/s, {name}: {_said(some)}")


def _tell_overload(during: list[Sent], began: float, ended: float, peak: float) -> None:
    # What is served within the time counts; the first second is the burst, which may wait.
    served = [one for one in during if one.status == 200 and began < one.answered <= ended]
    goodput = len(served) / (ended - began)
    refused = [one for one in during if one.status == 503]
    rest = Counter(one.status for one in during)
    print(f"overload, {FACTOR:g} x peak for {ended - began:.1f} s: {dict(rest)}")
    print(f"  goodput {goodput:.0f}/s, {goodput / peak:.0%} of peak; served: {_said(served)}")
    told = sum(one.retry_after for one in refused)
    print(f"  503: {_said(refused)}; {told} of {len(refused)} with Retry-After")


def _tell_after(after: list[Sent], ended: float) -> None:
    for begin, end in ((0.0, _QUIET_AFTER), (_QUIET_AFTER, 10.0)):
        some = [one for one in after if begin <= one.at - ended < end]
        print(f"after, {_NORMAL:g} x peak, {begin:g} to {end:g} s: {_said(some)}")


def _said(some: Iterable[Sent]) -> str:
    times = sorted(one.seconds * 1000 for one in some)
    if len(times) < 2:
        return f"{len(times)} requests"
    cut = statistics.quantiles(times, n=100)
    return f"p50 {cut[49]:.1f}, p99 {cut[98]:.1f}, max {times[-1]:.1f} ms of {len(times)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
