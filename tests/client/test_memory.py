"""How much memory there is: the least that the machine or a control group allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_deploy.client.memory import Memory, memory

MACHINE = "MemTotal:       8000000 kB\nMemFree:  100 kB\nMemAvailable:    6000000 kB\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text(MACHINE)
    return folder


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)


def test_without_a_control_group_it_is_the_machine_s(proc, tmp_path):
    (proc / "self" / "cgroup").write_text("0::/\n")
    assert memory(proc, tmp_path) == Memory(8_192_000_000, 6_144_000_000)


def test_a_limit_of_any_group_above_counts(proc, tmp_path):
    (proc / "self" / "cgroup").write_text("0::/pod/main\n")
    stat = "anon 5\ninactive_file 100000000\n"
    group(tmp_path / "pod" / "main", max="max\n", current="5\n", stat=stat)
    group(tmp_path / "pod", max="2000000000\n", current="1900000000\n", stat=stat)
    found = memory(proc, tmp_path)
    assert found == Memory(2_000_000_000, 200_000_000)
    assert (found.short, str(found)) == (False, "200 MB of 2.0 GB memory")


def test_the_first_version_of_the_interface_is_read_too(proc, tmp_path):
    (proc / "self" / "cgroup").write_text("9:cpu:/x\n4:memory:/of/the/machine\n0::/\n")
    group(
        tmp_path / "memory", limit_in_bytes="1000000000\n", usage_in_bytes="990000000\n",
        stat="total_inactive_file 20000000\n",
    )  # fmt: skip
    found = memory(proc, tmp_path)
    assert found == Memory(1_000_000_000, 30_000_000)
    assert found.short


def test_where_the_system_does_not_say_nothing_is_known(tmp_path):
    assert memory(tmp_path / "none", tmp_path) is None


def test_here_there_is_some():
    found = memory()
    assert found is None or 0 < found.free <= found.total
