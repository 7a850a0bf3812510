"""What a person sees while a deploy works, and the card that takes its place.

Rule 1: a notebook has one output that is updated in place, so that a saved notebook holds its last
state; a terminal gets a line for each step; a script gets log records.  Rule 2: what is shown never
stops a deploy.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from jupyter_deploy.client.models import StepStatus
from jupyter_deploy.notebook import card as render
from jupyter_deploy.notebook import cards, session
from jupyter_deploy.notebook.card import Card

log = logging.getLogger("jupyter_deploy")


class Progress(Protocol):
    """Shows the steps of one deploy, and at the end one card."""

    def steps(self, steps: Sequence[StepStatus]) -> None:
        """Show how far it is."""

    def end(self, card: Card) -> None:
        """Show `card` in place of the steps."""

    def clear(self) -> None:
        """Show nothing any more."""


def progress(name: str) -> Progress:
    """The progress of a deploy of `name` that fits where we run."""
    if session.in_notebook():
        return NotebookProgress(name)
    return TerminalProgress() if session.shell() is not None else LoggedProgress(name)


def bundle(card: Card) -> dict[str, str]:
    """The card in the forms that a notebook keeps."""
    return {"text/html": render.html(card), "text/plain": render.text(card)}


def show(card: Card) -> None:
    """Show the card as an output of its own."""
    from IPython.display import display

    display(bundle(card), raw=True)


class NotebookProgress:
    """One output, updated in place."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None

    def steps(self, steps: Sequence[StepStatus]) -> None:
        """Show how far it is."""
        self._show(bundle(cards.working(self._name, steps)))

    def end(self, card: Card) -> None:
        """Show `card` in place of the steps."""
        self._show(bundle(card))

    def clear(self) -> None:
        """Leave an output with nothing in it."""
        self._show({"text/plain": ""})

    def _show(self, data: dict[str, str]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


class TerminalProgress:
    """A line when a step has ended, then the card as text."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def steps(self, steps: Sequence[StepStatus]) -> None:
        """Tell the steps that have ended since."""
        for step in steps:
            if step.state in ("done", "failed") and step.name not in self._told:
                self._told.add(step.name)
                self._show(render.step_text(step))

    def end(self, card: Card) -> None:
        """Show `card` below the steps."""
        self._show(render.text(card))

    def clear(self) -> None:
        """A terminal keeps what it has."""

    def _show(self, text: str) -> None:
        from IPython.display import display

        display({"text/plain": text}, raw=True)


class LoggedProgress:
    """A log record when a step has ended; nothing is printed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: set[str] = set()

    def steps(self, steps: Sequence[StepStatus]) -> None:
        """Log the steps that have ended since."""
        for step in steps:
            if step.state in ("done", "failed") and step.name not in self._told:
                self._told.add(step.name)
                log.info("%s: %s", self._name, render.step_text(step))

    def end(self, card: Card) -> None:
        """Log what the card is titled."""
        log.info("%s: %s", self._name, card.title)

    def clear(self) -> None:
        """A log keeps what it has."""
