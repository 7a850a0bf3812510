"""A card: what one command has to say, as HTML for notebooks and as text for terminals.

Rule 1: both forms are made from the same Card, so that they say the same.  Rule 2: the template
escapes everything; a link goes to http or https, or is plain text.  Rule 3: no script, no image, no
font, nothing fetched; colours are the theme's, with fallbacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from jupyter_deploy.client.models import StepStatus
from jupyter_deploy.core.printable import one_line, printable

if TYPE_CHECKING:
    from jinja2 import Template

_STEP_SIGNS = {"done": "✓", "failed": "✗", "running": "…", "skipped": "-", "waiting": "·"}


class Tone(StrEnum):
    """How a state is coloured; the word beside it says the same."""

    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    CALM = "calm"


@dataclass(frozen=True, slots=True)
class Mark:
    """A state in one word."""

    text: str
    tone: Tone = Tone.CALM

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads somewhere."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text

    @property
    def safe(self) -> bool:
        """Whether the address is one that a browser may open."""
        return self.href.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Code:
    """A text that is read letter by letter: a path, a URL, a version."""

    text: str

    def __str__(self) -> str:
        return self.text


Cell = str | Mark | Link | Code


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; every row is as long as `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """Everything a card can show, from top to bottom; what is empty is left out.

    `commands` are pairs of a label and a line to type; `log` the last lines of some process.
    """

    title: str
    mark: Mark | None = None
    lead: str = ""
    facts: tuple[tuple[str, Cell], ...] = ()
    table: Table | None = None
    steps: tuple[StepStatus, ...] = ()
    log: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def html(card: Card) -> str:
    """The card as a piece of HTML that brings its own style."""
    return _template().render(
        card=card,
        css=_css(),
        kind=lambda cell: type(cell).__name__,
        sign=_STEP_SIGNS.get,
        seconds=seconds,
        total=_total(card.steps),
    )


def text(card: Card) -> str:
    """The card as lines of plain text."""
    head = f"{card.title}: {card.mark}" if card.mark else card.title
    parts = [[head], [card.lead] if card.lead else [], _fact_lines(card)]
    parts += [_table_lines(card.table) if card.table else []]
    parts += [[f"  | {line}" for line in card.log]]
    parts += [[f"- {note}" for note in card.notes]]
    parts += [[f"{label}:", f"  {line}"] for label, line in card.commands]
    return printable("\n".join(line for part in parts for line in part))


def seconds(value: float | None) -> str:
    """A time as a person says it: 0.004 s, 0.42 s, 7.3 s, 2 min 5 s."""
    if value is None:
        return ""
    if value >= 60:
        return f"{int(value // 60)} min {int(value % 60)} s"
    if value >= 1:
        return f"{value:.1f} s"
    return f"{value:.2f} s" if value >= 0.01 else f"{value:.3f} s"


def step_text(step: StepStatus) -> str:
    """A step in a few words: "✓ package 0.9 s"."""
    words = [_STEP_SIGNS.get(step.state, "·"), step.name, seconds(step.seconds) or step.state]
    return " ".join(words)


def _total(steps: tuple[StepStatus, ...]) -> str:
    known = [step.seconds for step in steps if step.seconds is not None]
    return seconds(sum(known)) if len(known) > 1 else ""


def _fact_lines(card: Card) -> list[str]:
    facts = [(label, str(value)) for label, value in card.facts]
    if card.steps:
        said = "  ".join(step_text(step) for step in card.steps)
        total = _total(card.steps)
        facts.append(("Steps", f"{said}  ({total})" if total else said))
    width = max((len(label) for label, _ in facts), default=0)
    return [f"  {label:<{width}}  {value}" for label, value in facts]


def _table_lines(table: Table) -> list[str]:
    rows = [table.columns, *(tuple(one_line(str(cell)) for cell in row) for row in table.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.columns))]
    return [
        "  "
        + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return environment.from_string(_read("card.html"))


@cache
def _css() -> str:
    return _read("card.css")


def _read(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
