"""How much memory there is, and how much is free, for this process and those beside it.

Rule: the least that the machine or any control group around this process allows is what counts: in
a container the machine's own figures are another's.  Linux; elsewhere nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jupyter_deploy.client.kernel_files import told

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: Memory is short when less than this part of it is free.
SHORT = 0.05


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; `free` counts what the system would give up on demand, like cached files."""

    total: int
    free: int

    @property
    def short(self) -> bool:
        """Whether next to nothing is left."""
        return self.part_free < SHORT

    @property
    def part_free(self) -> float:
        """The part that is free, from 0 to 1."""
        return self.free / self.total

    def __str__(self) -> str:
        return f"{size(self.free)} of {size(self.total)} memory"


def memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> Memory | None:
    """What there is now, or None where the system does not say."""
    try:
        said = told(f"{proc}/meminfo")
        machine = Memory(_field(said, "MemTotal:") * 1024, _field(said, "MemAvailable:") * 1024)
        groups = told(f"{proc}/self/cgroup")
    except (OSError, ValueError):
        return None
    around = (_group(folder, machine.total) for folder in _folders(groups, cgroups))
    found = [machine, *(one for one in around if one is not None)]
    return Memory(min(one.total for one in found), min(one.free for one in found))


def size(count: int) -> str:
    """So many bytes, for a person."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@lru_cache(maxsize=1)
def _folders(groups: str, cgroups: Path) -> tuple[str, ...]:
    """The control group of this process and those around it, by either version of the interface."""
    found: list[str] = []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            top = cgroups / "memory" if controllers else cgroups
            own = top / path.lstrip("/")
            # In a container the path may be the machine's, and only the top is there.
            found += [str(one) for one in (own, *own.parents) if one.is_relative_to(top)]
    return tuple(found)


def _group(folder: str, machine: int) -> Memory | None:
    """What a control group allows; None where it sets no limit, or more than the `machine` has."""
    for limit, usage, inactive in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            total = int(told(f"{folder}/{limit}"))
            if total >= machine:
                return None
            used = int(told(f"{folder}/{usage}"))
            cached = _field("\n" + told(f"{folder}/memory.stat"), f"\n{inactive} ")
        except (OSError, ValueError):
            continue  # also "max": no limit
        return Memory(total, max(0, total - used + cached))
    return None


def _field(text: str, name: str) -> int:
    """The number after `name`.  Raises ValueError."""
    after = text[text.index(name) + len(name) :]
    return int(after.partition("\n")[0].removesuffix(" kB"))
