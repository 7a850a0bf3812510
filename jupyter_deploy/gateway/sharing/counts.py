"""The counts of all gateways together, whichever of them is asked.

Each writes what it has counted into a file of its own: after each second in which something
happened, and before it tells another gateway.  So what was ever shown is in the file, the next
process in its place goes on from there, and no sum goes back when a gateway is killed: what is lost
is what it counted since it last wrote.  A thread writes: a disk may keep it waiting for seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.metrics import Totals, VersionMetrics

#: A gateway that does not answer as soon as this is taken at its last word.  Prometheus waits 10 s.
_ASK_SECONDS = 5.0
_FILE, _SOCKET = ".counts", ".ask"


class Report(msgspec.Struct, frozen=True):
    """What one gateway has counted.  `pid` is 0 in a file: the process may be gone."""

    pid: int
    versions: list[Totals]


_decoder = msgspec.msgpack.Decoder(Report)


class SharedCounts:
    """The counts of the gateway `name`, and of the others in `folder`."""

    def __init__(self, folder: Path, name: str, log: Log) -> None:
        self._folder = folder
        self._name = name
        self._log = log
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="counts")

    def before(self) -> list[Totals]:
        """What the process that was here before this one has counted."""
        return _read(self._folder / f"{self._name}{_FILE}").versions

    def write(self, versions: Iterable[VersionMetrics]) -> None:
        """Write down what has been counted, soon."""
        self._written(_totals(versions))

    async def told(self, versions: Iterable[VersionMetrics]) -> bytes:
        """What has been counted, for another gateway, once it is written down."""
        totals = _totals(versions)
        await asyncio.wrap_future(self._written(totals))
        return msgspec.msgpack.encode(Report(os.getpid(), totals))

    def close(self, versions: Iterable[VersionMetrics]) -> None:
        """Write down what has been counted, and nothing more."""
        self.write(versions)
        self._writer.shutdown()

    def _written(self, totals: list[Totals]) -> Future[None]:
        past = [msgspec.structs.replace(one, waiting=0, replicas=0) for one in totals]
        return self._writer.submit(self._write, msgspec.msgpack.encode(Report(0, past)))

    def _write(self, data: bytes) -> None:
        fresh = self._folder / f"{self._name}.new"
        try:
            fresh.touch(mode=0o600)
            fresh.write_bytes(data)
            fresh.replace(self._folder / f"{self._name}{_FILE}")
        except OSError as error:
            self._log.warning("counts not written", error=error.strerror)

    async def all(self, versions: Iterable[VersionMetrics]) -> list[Report]:
        """What every gateway has counted until now."""
        own = _decoder.decode(await self.told(versions))
        # One that has just started has no file yet, and of one that has ended only that is left.
        files = self._folder.iterdir()
        names = {file.stem for file in files if file.suffix in (_FILE, _SOCKET)} - {self._name}
        return [own, *await asyncio.gather(*(self._of(name) for name in sorted(names)))]

    async def _of(self, name: str) -> Report:
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                return await _ask(self._folder / f"{name}{_SOCKET}")
        except (OSError, msgspec.MsgspecError):  # it has ended, or does not answer
            return await asyncio.to_thread(_read, self._folder / f"{name}{_FILE}")

    def socket(self) -> Path:
        """Where this gateway is asked."""
        return self._folder / f"{self._name}{_SOCKET}"


def _totals(versions: Iterable[VersionMetrics]) -> list[Totals]:
    return [one.totals() for one in versions if one.seconds.total or one.replicas]


def together(reports: Iterable[Report]) -> list[VersionMetrics]:
    """One count for each version."""
    found: dict[tuple[str, str], VersionMetrics] = {}
    for report in reports:
        for one in report.versions:
            key = (one.endpoint, one.version)
            found.setdefault(key, VersionMetrics(*key)).merge(one)
    return list(found.values())


async def _ask(path: Path) -> Report:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        return _decoder.decode(await reader.read())
    finally:
        writer.close()


def _read(path: Path) -> Report:
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return Report(0, [])
