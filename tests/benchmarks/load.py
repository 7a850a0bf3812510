"""Loads: wrk with one thread, and h2load to confirm a row.

Rule 1: the bodies of all rows are sent in turn, so that no cache could answer.  Rule 2: each cell
says how many answers were not 2xx, and how many connections failed; whoever shows it marks it.
Rule 3: headers hold a key: they go through a 0600 file, never through wrk's arguments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer import Target

#: wrk counts a slower answer as an error; the slowest peer takes seconds at 256 connections.
TIMEOUT_SECONDS = 60

SCRIPT = """
local calls = { %s }
local requests, at = {}, 0
function init(arguments)
  for i, call in ipairs(calls) do
    requests[i] = wrk.format("POST", call.path, call.headers, call.body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"p50":%f,"p99":%f,"not_2xx":%d,"failed":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write + e.timeout))
end
"""


class NoGenerator(RuntimeError):
    """wrk or h2load is not installed."""


@dataclass(frozen=True)
class Load:
    """What one cell showed: times in milliseconds."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    requests: int
    not_2xx: int = 0
    failed: int = 0

    @property
    def clean(self) -> bool:
        """Every request was answered well."""
        return self.requests > 0 and not self.not_2xx and not self.failed


def wrk(url: str, targets: Sequence[Target], connections: int, seconds: int, scratch: Path) -> Load:
    """Send the targets' bodies in turn over `connections` kept-alive connections.

    Raises NoGenerator when there is no wrk.
    """
    output = _run(
        [
            _tool("wrk", "wrk"),
            *("--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", f"{TIMEOUT_SECONDS}s"),
            *("--script", str(_script(targets, scratch)), url),
        ],
        seconds + TIMEOUT_SECONDS,
    )
    found = json.loads(output.partition("RESULT ")[2].splitlines()[0])
    return Load(
        requests_per_second=found["requests"] / (found["microseconds"] / 1e6),
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        requests=found["requests"],
        not_2xx=found["not_2xx"],
        failed=found["failed"],
    )


def h2load(url: str, target: Target, connections: int, seconds: int, scratch: Path) -> float:
    """Requests per second of the first body over HTTP/1.1, as a second generator sees it.

    h2load takes headers as arguments only: the key in them is one of a throwaway endpoint.
    Raises NoGenerator when there is no h2load; ValueError when an answer was not 2xx.
    """
    body = scratch / "body.json"
    body.write_text(target.bodies[0])
    headers = [part for pair in target.headers.items() for part in ("-H", ": ".join(pair))]
    output = _run(
        [
            _tool("h2load", "nghttp2-client"),
            *("--h1", "--threads=1", f"--clients={connections}", f"--duration={seconds}"),
            *(f"--data={body}", *headers, url + target.path),
        ],
        seconds + TIMEOUT_SECONDS,
    )
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", output)
    if codes is None or rate is None or any(int(codes[number]) for number in (2, 3, 4)):
        raise ValueError(f"h2load saw other answers than 2xx:\n{output[-600:]}")
    return float(rate[1])


def _tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NoGenerator(f"{name} is not installed.  On Debian: apt-get install -y {package}")
    return found


def _script(targets: Sequence[Target], scratch: Path) -> Path:
    calls = [_call(target, body) for target in targets for body in target.bodies]
    text = SCRIPT.replace("%s", ", ".join(calls), 1)
    path = scratch / "load.lua"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def _call(target: Target, body: str) -> str:
    headers = ", ".join(f"[{_lua(k)}] = {_lua(v)}" for k, v in target.headers.items())
    return f"{{ path = {_lua(target.path)}, headers = {{ {headers} }}, body = {_lua(body)} }}"


def _lua(text: str) -> str:
    # A JSON string is a Lua string once its escapes are plain characters: the bodies are ASCII.
    return json.dumps(text)


def _run(command: list[str], seconds: float) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout
