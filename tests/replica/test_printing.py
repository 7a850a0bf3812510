"""What a replica prints: whatever happens to its log, the model goes on."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from jupyter_deploy.replica import printing
from jupyter_deploy.replica.printing import MOST_BYTES, Log, cut


@pytest.fixture
def log(tmp_path: Path):
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


def test_printing_on_a_full_disk_is_dropped_and_raises_nothing():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with io.TextIOWrapper(io.BufferedWriter(Log(descriptor)), line_buffering=True) as out:
            print("lost", file=out)
    finally:
        os.close(descriptor)


def test_a_line_is_in_the_log_as_soon_as_it_is_printed(log, tmp_path):
    out = io.TextIOWrapper(io.BufferedWriter(Log(log)), line_buffering=True)
    print("said", file=out)
    assert (tmp_path / "log").read_bytes() == b"said\n"


def test_a_log_that_is_too_long_is_cut_to_its_last_lines(log, tmp_path):
    writer = Log(log)
    longest = 0
    for number in range(30):
        writer.write(b"%06d\n" % number * 100_000)
        longest = max(longest, os.fstat(log).st_size)
    assert MOST_BYTES < longest < MOST_BYTES + 2_000_000
    kept = (tmp_path / "log").read_bytes()
    assert kept.startswith(b"[earlier lines were removed]\n")
    assert kept.endswith(b"000029\n")


def test_two_who_cut_one_log_at_once_lose_nothing_of_its_end(log, tmp_path):
    os.write(log, b"x" * MOST_BYTES + b"the end\n")
    other = os.open(tmp_path / "log", os.O_RDWR | os.O_APPEND)
    try:
        printing.fcntl.flock(other, printing.fcntl.LOCK_EX)
        cut(log)
        assert os.fstat(log).st_size == MOST_BYTES + 8
        printing.fcntl.flock(other, printing.fcntl.LOCK_UN)
        cut(log)
        cut(other)
    finally:
        os.close(other)
    assert (tmp_path / "log").read_bytes().endswith(b"xthe end\n")
