"""Text that a caller or a model has written, made fit for a terminal.

Rule: it moves no cursor, sets no colour and titles no window: what would is shown as it is written.
"""

from __future__ import annotations

#: All control characters but the end of a line and the tabulator.
_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def printable(text: str) -> str:
    """`text`, with its lines as they are."""
    return text.translate(_CONTROL)


def one_line(text: str) -> str:
    """`text` in one line, as a table has room for."""
    return printable(" ".join(text.split()))
