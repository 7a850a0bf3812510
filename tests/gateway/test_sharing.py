"""What gateways share, from several processes at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from jupyter_deploy.core.limits import Rate, TokenBucket
from jupyter_deploy.gateway.dispatch.poison import REFUSED_SECONDS
from jupyter_deploy.gateway.log import Log
from jupyter_deploy.gateway.metrics import VersionMetrics, exposition
from jupyter_deploy.gateway.sharing import records as records_module
from jupyter_deploy.gateway.sharing.buckets import SharedBucket
from jupyter_deploy.gateway.sharing.counts import Report, SharedCounts, together
from jupyter_deploy.gateway.sharing.poison import SharedPoison
from jupyter_deploy.gateway.sharing.records import Records

#: Takes from a bucket again and again, as a process of its own; prints how often it was allowed.
_TAKER = """
import sys, time
from pathlib import Path
from jupyter_deploy.core.limits import Rate
from jupyter_deploy.gateway.sharing.buckets import SharedBucket
from jupyter_deploy.gateway.sharing.records import Records
bucket = SharedBucket(Records(Path(sys.argv[1])), "key", Rate(int(sys.argv[2]), 86400), 0.0)
print("ready", flush=True)
sys.stdin.readline()
print(sum(bucket.take(0.0).allowed for _ in range(int(sys.argv[3]))), flush=True)
"""


def taker(file: Path, count: int, takes: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKER, str(file), str(count), str(takes)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes_that_take_at_once_get_exactly_what_a_bucket_holds(tmp_path):
    takers = [taker(tmp_path / "limits", 20_000, 8_000) for _ in range(3)]
    for one in takers:
        one.stdin.write("\n")
        one.stdin.flush()
    assert sum(int(one.communicate(timeout=120)[0]) for one in takers) == 20_000


def test_a_process_that_is_killed_while_it_takes_leaves_no_lock_and_a_whole_state(tmp_path):
    file = tmp_path / "limits"
    bucket = SharedBucket(Records(file), "key", Rate(1_000_000, 86400), 0.0)
    for _ in range(5):
        victim = taker(file, 1_000_000, 100_000_000)
        victim.stdin.write("\n")
        victim.stdin.flush()
        before = bucket.take(0.0).remaining
        while bucket.take(0.0).remaining > before - 500:
            pass
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        left = bucket.take(0.0).remaining
        assert [bucket.take(0.0).remaining for _ in range(3)] == [left - 1, left - 2, left - 3]


def test_a_process_that_is_stopped_with_a_lock_in_hand_stops_nobody_else(tmp_path):
    file = tmp_path / "limits"
    records = Records(file)
    bucket = SharedBucket(records, "key", Rate(10, 86400), 0.0)
    held = subprocess.Popen(
        [sys.executable, "-c",
         ("import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX);"
          "print('held', flush=True); sys.stdin.readline()"), str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert held.stdout.readline() == "held\n"
    began = time.monotonic()
    assert [bucket.take(0.0).remaining for _ in range(3)] == [9, 8, 7]
    # Once: afterwards it is known.
    assert time.monotonic() - began < 10 * records_module._PATIENCE_SECONDS
    held.communicate("\n")


@pytest.mark.parametrize("rate", [Rate(3, 1), Rate(100, 60)])
def test_a_shared_bucket_says_what_a_bucket_of_one_process_says(tmp_path, rate):
    alone, shared = TokenBucket(rate, 5.0), SharedBucket(Records(tmp_path / "l"), "k", rate, 5.0)
    times = [5.0, 5.0, 5.1, 5.2, 5.2, 7.0, 6.0, 50.0, 50.0]
    assert [shared.take(at) for at in times] == [alone.take(at) for at in times]


def test_records_are_found_by_others_also_when_the_file_has_grown(tmp_path):
    first, second = Records(tmp_path / "r"), Records(tmp_path / "r")
    names = [number.to_bytes(32) for number in range(2_000)]
    places = [first.make(name, (float(number), 0.0)) for number, name in enumerate(names)]
    assert [second.find(name) for name in names] == places
    assert [second.state(place)[0] for place in places] == list(range(2_000))
    assert second.make(names[-1], (0.0, 0.0)) == places[-1]
    assert second.find(b"\xff" * 32) is None


def test_what_one_gateway_refuses_as_poisonous_the_others_refuse_too(tmp_path):
    ours, theirs = (SharedPoison(Records(tmp_path / "p"), "churn 1.0.0") for _ in range(2))
    other = SharedPoison(Records(tmp_path / "p"), "churn 2.0.0")
    assert not theirs
    ours.add(b"digest", 10.0)
    assert theirs
    assert theirs.holds(b"digest", 11.0)
    assert not theirs.holds(b"another", 11.0)
    assert not other.holds(b"digest", 11.0)
    assert not theirs.holds(b"digest", 10.0 + REFUSED_SECONDS)
    theirs.add(b"digest", 1000.0)
    assert ours.holds(b"digest", 1001.0)


def counted(requests: int) -> VersionMetrics:
    found = VersionMetrics("churn", "1.0.0")
    for _ in range(requests):
        found.count("tester", 200, 0.003)
    return found


def test_a_process_goes_on_from_what_the_one_before_it_has_written(tmp_path):
    before = SharedCounts(tmp_path, "gateway", Log("test"))
    before.close([counted(3)])
    after = VersionMetrics("churn", "1.0.0")
    for totals in SharedCounts(tmp_path, "gateway", Log("test")).before():
        after.merge(totals)
    after.count("tester", 200, 0.003)
    text = exposition([after]).decode()
    assert 'status="200",version="1.0.0"} 4.0' in text
    assert 'jupyter_deploy_request_seconds_count{endpoint="churn",version="1.0.0"} 4.0' in text


def test_a_gateway_that_does_not_answer_is_taken_at_its_last_word(tmp_path):
    SharedCounts(tmp_path, "gateway-1", Log("test")).close([counted(5)])
    (tmp_path / "gateway-2.counts").write_bytes(b"not counts")
    asked = SharedCounts(tmp_path, "gateway", Log("test")).all([counted(2)])
    reports = asyncio.run(asked)
    (found,) = together(reports)
    assert found.requests == {("tester", 200): 7}
    assert [report.pid for report in reports] == [os.getpid(), 0, 0]


def test_a_gateway_that_has_not_written_yet_is_asked_too(tmp_path):
    new = SharedCounts(tmp_path, "gateway-1", Log("test"))

    async def asked() -> list[Report]:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(msgspec.msgpack.encode(Report(1, [counted(5).totals()])))
            writer.close()

        async with await asyncio.start_unix_server(answer, new.socket()):
            return await SharedCounts(tmp_path, "gateway", Log("test")).all([counted(2)])

    (found,) = together(asyncio.run(asked()))
    assert found.requests == {("tester", 200): 7}


def test_a_disk_that_keeps_a_write_waiting_holds_up_nothing_else(tmp_path):
    os.mkfifo(slow := tmp_path / "gateway.new")  # who writes waits until somebody reads
    counts = SharedCounts(tmp_path, "gateway", Log("test"))
    counts.write([counted(3)])
    with slow.open("rb") as file:
        assert file.read()
    counts.close([counted(4)])
    (found,) = counts.before()
    assert found.requests == [("tester", 200, 4)]
