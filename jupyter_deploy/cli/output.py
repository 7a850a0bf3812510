"""How commands print: plain aligned text that fits 80 columns, or JSON.

Rule: what a person reads goes through `table` and `line`, what a program reads through `as_json`;
both are made from the same objects.
"""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
_GAP = "  "
_SMALLEST_LAST_COLUMN = 20


def json_option(command: _F) -> _F:
    """Add `--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def as_json(value: object) -> None:
    """Print dataclasses, lists and dicts as JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def as_json_lines(values: Iterable[object]) -> None:
    """Print each as JSON in one line, for whoever reads them as they come."""
    import msgspec

    for value in values:
        click.echo(msgspec.json.encode(value).decode())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their header, aligned; the last column is wrapped to the width of the screen."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header) - 1)]
    indent = sum(widths) + len(_GAP) * len(widths)
    room = max(_SMALLEST_LAST_COLUMN, _columns() - indent)
    return "\n".join(_table_line(line, widths, indent, room) for line in lines)


def _table_line(line: tuple[str, ...], widths: list[int], indent: int, room: int) -> str:
    cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
    # A word that is too long (a URL, a path) stays whole, to be copied.
    last = textwrap.wrap(line[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
    text = _GAP.join([*cells, last[0]])
    return "\n".join([text.rstrip(), *(" " * indent + more for more in last[1:])])


def _columns() -> int:
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def local_time(seconds: float) -> str:
    """Seconds since the epoch as the date and time here: 2026-11-22 23:40:05."""
    return datetime.fromtimestamp(seconds, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """A time that was measured: 41 ms, 3.2 s, 2 min 05 s."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Stopwatch:
    """The seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._started
