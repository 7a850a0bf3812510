"""How much memory there is, and how much is free, for this process and those beside it.

Rule: the least that the machine or any control group around this process allows is what counts: in
a container the machine's own figures are another's.  Linux; elsewhere nothing is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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
        known = _fields((proc / "meminfo").read_text(), r"(\w+): +(\d+) kB")
        found = [Memory(known["MemTotal"] * 1024, known["MemAvailable"] * 1024)]
        groups = (proc / "self" / "cgroup").read_text()
    except (OSError, KeyError):
        return None
    found += [one for folder in _folders(groups, cgroups) if (one := _group(folder)) is not None]
    return Memory(min(one.total for one in found), min(one.free for one in found))


def size(count: int) -> str:
    """So many bytes, for a person."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _folders(groups: str, cgroups: Path) -> list[Path]:
    """The control group of this process and those around it, by either version of the interface."""
    found: list[Path] = []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            top = cgroups / "memory" if controllers else cgroups
            own = top / path.lstrip("/")
            # In a container the path may be the machine's, and only the top is there.
            found += [folder for folder in (own, *own.parents) if folder.is_relative_to(top)]
    return found


def _group(folder: Path) -> Memory | None:
    """What a control group allows; None where it sets no limit."""
    for limit, usage, inactive in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            total = int((folder / limit).read_text())
            used = int((folder / usage).read_text())
            cached = _fields((folder / "memory.stat").read_text(), r"(\w+) (\d+)")[inactive]
        except (OSError, ValueError, KeyError):
            continue  # also "max": no limit
        return Memory(total, max(0, total - used + cached))
    return None


def _fields(text: str, pattern: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(pattern, text)}
