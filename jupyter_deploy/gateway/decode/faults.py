"""What is wrong with a body, collected value by value, then raised at once.

Rule: an entry names the place and the kind of what came, never the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_deploy.errors import BadInput

#: Entries in one answer; the total is told in the detail.
MOST_LISTED = 20
#: Nobody has to look further in a body in which so many values are wrong.
ENOUGH = 10_000
_NAME_SHOWN = 80


def pointer(*parts: str | int) -> str:
    """A JSON Pointer (RFC 6901) to a place in the body."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


class Faults:
    """A list of what is wrong; `total` counts on where the list is full.

    `cut`: the rest of the body has not been looked at.
    """

    __slots__ = ("_entries", "cut", "total")

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self.cut = False
        self.total = 0

    def add(
        self,
        where: Sequence[str | int] | None,
        *,
        column: str | None,
        row: int | None,
        expected: str,
        got: str,
        line: int | None = None,
    ) -> None:
        """One more; `where` is the path in the JSON body, None for CSV."""
        self.total += 1
        if len(self._entries) >= MOST_LISTED:
            return
        place = [
            f"row {row}" if row is not None else "",
            f"column {column[:_NAME_SHOWN]!r}" if column is not None else "",
        ]
        said = ", ".join(part for part in place if part) or "the input"
        entry: dict[str, Any] = {} if where is None else {"pointer": pointer(*where)}
        entry |= {"line": line} if line is not None else {}
        entry |= {"column": column} if column is not None else {}
        entry |= {"row": row} if row is not None else {}
        message = f"{said}: expected {expected}, got {got}"
        self._entries.append(entry | {"expected": expected, "got": got, "message": message})

    def are_enough(self) -> bool:
        """Whether nobody has to look at the rest; then nobody does."""
        self.cut = self.total >= ENOUGH
        return self.cut

    def raise_if_any(self) -> None:
        """Raises BadInput when something is wrong."""
        if self.total:
            raise self.error()

    def error(self) -> BadInput:
        """All of it as one error."""
        shown = len(self._entries)
        rest = f" The first {shown} are listed." if self.total > shown else ""
        what = "value does" if self.total == 1 else "values do"
        count = f"At least {self.total}" if self.cut else f"{self.total}"
        return BadInput(f"{count} {what} not fit the contract.{rest}", self._entries)


def misfit(where: Sequence[str | int], expected: str, got: str) -> BadInput:
    """One thing is wrong, at a place that is no single value."""
    faults = Faults()
    faults.add(where, column=None, row=None, expected=expected, got=got)
    return faults.error()


def malformed(reason: str) -> BadInput:
    """The body is not JSON at all; `reason` is the parser's, which holds a place and no value."""
    return BadInput(f"The body is not valid JSON: {reason}.")
