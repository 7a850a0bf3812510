"""Many endpoints on one gateway: what one endpoint's caller notices of the others.

Deploys as many tiny models, each in a replica of its own, and sends the same load to one endpoint
and to all of them in turn, one after the other in each round, so that the machine's moods meet
both.  Says p50, p99 and their ratios, the memory of supervisor, gateway and replicas (PSS: shared
pages count once), and the processor time of all of them while nobody calls.

What each row compares:

* so many requests a second, on time whether or not answers come: what a caller notices of the other
  endpoints at a load that both can serve;
* one connection that asks again at once: the same, and the request finds everything idle;
* 16 connections that ask again at once, as fast as they can: not what a caller notices, but what
  can be served. Those who wait for one endpoint share a frame; of 100 endpoints each request is a
  frame of its own, in a process of its own, so that this row says what sharing is worth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# As in __main__.py: a `tests` package in somebody's site-packages would hide ours.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvloop

from benchmarks.load import Load, wrk
from benchmarks.overload import Endpoint, in_turn
from benchmarks.peer import Target
from benchmarks.processes import cpu_seconds, pss_kb
from tests.process.stack import Stack, ours, stack

#: How many connections ask again at once, and what the ratio says then.
_CONNECTIONS = {1: "what a caller notices of the others", 16: "what sharing a frame is worth"}
_IDLE_SECONDS = 20
#: Replicas that have just started have work of their own to end.
_SETTLE_SECONDS = 10
_BODY = '{"inputs": [[1.0, 2.0]]}'


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="jd-") as home, stack(Path(home)) as one:
        began = time.monotonic()
        targets = _deploy(one, asked.endpoints)
        print(f"{asked.endpoints} endpoints deployed in {time.monotonic() - began:.0f} s")
        time.sleep(_SETTLE_SECONDS)
        _rest(one)
        uvloop.run(_compare_at_rate(one, asked))
        for connections in _CONNECTIONS:
            _compare(one, targets, connections, asked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.many", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    return parser


def _deploy(one: Stack, count: int) -> list[Target]:
    names = [f"many-{number}" for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one.deploy, names))
    return [_target(one, name) for name in names]


def _target(one: Stack, name: str) -> Target:
    headers = {"authorization": f"Bearer {one.key(name)}", "content-type": "application/json"}
    return Target(f"/endpoints/{name}/invocations", [_BODY], headers)


def _rest(one: Stack) -> None:
    """Memory, and processor time while nobody calls."""
    status = one.client.status()
    control = [status.supervisor.pid, *status.gateway.pids]
    everything = [process.pid for process in ours(one.home)]
    versions = [version for endpoint in status.endpoints for version in endpoint.versions]
    replicas = [r.pid for version in versions for r in version.replicas if r.pid is not None]
    print(f"supervisor and gateway: {_megabytes(control):.0f} MB (PSS)")
    print(f"{len(replicas)} replicas: {_megabytes(replicas) / len(replicas):.1f} MB each (PSS)")
    for name, pids in (("all processes", everything), ("supervisor and gateway", control)):
        before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
        time.sleep(_IDLE_SECONDS)
        # One that has ended meanwhile counts nothing.
        used = sum(max(0.0, cpu_seconds(pid) - old) for pid, old in zip(pids, before, strict=True))
        share = used / (time.monotonic() - began)
        print(f"idle, {name}: {share:.2%} of one core")


def _megabytes(pids: Iterable[int]) -> float:
    return sum(map(pss_kb, pids)) / 1024


async def _compare_at_rate(one: Stack, asked: argparse.Namespace) -> None:
    names = [f"many-{number}" for number in range(asked.endpoints)]
    places = [Endpoint(one.endpoint(name).url, one.key(name)) for name in names]
    found: dict[str, list[float]] = {"one": [], "all": []}
    for _ in range(asked.rounds):
        for name, some in (("one", places[:1]), ("all", places)):
            sent = await in_turn(some, asked.rate, asked.seconds)
            cut = statistics.quantiles([each.seconds * 1000 for each in sent], n=100)
            found[name].append(cut[98])
            print(f"{asked.rate:g}/s, {name}: p50 {cut[49]:.2f} ms, p99 {cut[98]:.2f} ms")
    ratios = [every / single for single, every in zip(found["one"], found["all"], strict=True)]
    print(f"  p99, all to one: median {statistics.median(ratios):.2f}")


def _compare(
    one: Stack, targets: list[Target], connections: int, asked: argparse.Namespace
) -> None:
    url, loads = one.client.status().gateway.url, ([targets[0]], targets)
    with tempfile.TemporaryDirectory() as folder:
        rounds = [
            [wrk(url, load, connections, asked.seconds, Path(folder)) for load in loads]
            for _ in range(asked.rounds)
        ]
    print(f"{connections} connections: {_CONNECTIONS[connections]}")
    for name, found in zip(("one", "all"), zip(*rounds, strict=True), strict=True):
        print(f"  {name}: {_said(found)}")
    for field in ("p50_ms", "p99_ms"):
        ratios = [getattr(every, field) / getattr(single, field) for single, every in rounds]
        said = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  {field}, all to one: median {statistics.median(ratios):.2f} ({said})")


def _said(found: Sequence[Load]) -> str:
    medians = [
        statistics.median(getattr(load, field) for load in found)
        for field in ("requests_per_second", "p50_ms", "p99_ms")
    ]
    unclean = sum(not load.clean for load in found)
    text = "{:.0f} requests/s, p50 {:.2f} ms, p99 {:.2f} ms".format(*medians)
    return f"{text}, {unclean} rounds with failures" if unclean else text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
