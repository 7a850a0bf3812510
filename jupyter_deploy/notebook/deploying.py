"""One deploy as a person sees it: progress while it works, then a card or an error.

Rule: whatever happens, what was shown as working is ended: by the card of the version, by the card
of the failure, or, for a command that could not be understood, by nothing but its error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_deploy.client.discovery import begin, connect
from jupyter_deploy.client.models import DeployOptions, EndpointStatus, StepStatus, VersionStatus
from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.core.names import EndpointName
from jupyter_deploy.errors import Conflict, DeployError, NotFound, UsageError
from jupyter_deploy.notebook import cards, preload, session
from jupyter_deploy.notebook.card import Card
from jupyter_deploy.notebook.progress import Progress, progress

if TYPE_CHECKING:
    from jupyter_deploy.pipeline import Deployed

STEPS = ("contract", "package", "register", "prove", "start", "switch")


class DeployInterrupted(KeyboardInterrupt):
    """The person stopped the cell while it deployed."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True)
class Finished:
    """A deploy that went well."""

    version: VersionStatus
    endpoint: EndpointStatus
    manifest: Manifest
    steps: tuple[StepStatus, ...]
    notes: tuple[str, ...]

    def card(self) -> Card:
        """All that one needs to use it."""
        return cards.deployed(self.version, self.endpoint, self.manifest, self.steps, self.notes)

    def comparison(self) -> tuple[str, ...]:
        """A line for each form that was tried; none where that was not asked for."""
        return tuple(self.manifest.comparison())

    def curl(self) -> str:
        """A line for a shell that calls the version with one row of the sample."""
        pinned = None if self.version.state == "active" else self.version.version
        return cards.curl(self.endpoint, self.manifest.example or "", version=pinned)


class Watch:
    """What a person has been shown of one deploy."""

    def __init__(self, name: str, shown: Progress) -> None:
        self.steps: tuple[StepStatus, ...] = tuple(StepStatus(step, "waiting") for step in STEPS)
        self._name = name
        self._shown = shown

    def see(self, steps: Sequence[StepStatus]) -> None:
        """Show how far it is."""
        self.steps = tuple(steps)
        self._shown.steps(self.steps)

    def end(self, card: Card) -> None:
        """Show `card` in place of the steps."""
        self._shown.end(card)

    def fail(self, error: BaseException) -> None:
        """Show why it went no further, unless the error's one line says it all."""
        begun = any(step.state == "done" for step in self.steps)
        if isinstance(error, UsageError | Conflict | NotFound) and not begun:
            self._shown.clear()
        else:
            self._shown.end(cards.failed(self._name, self.steps, error, _serving(self._name)))


def run(
    model: Any, name: EndpointName, *, sample: Any, names: dict[str, Any], options: DeployOptions
) -> Finished:
    """Deploy, and show it.  Raises what `pipeline.run` does, and DeployInterrupted."""
    watch = Watch(name, progress(name))
    try:
        watch.see(watch.steps)
        finished = _finished(_deployed(model, name, sample, names, options, watch), watch)
    except DeployInterrupted:
        raise
    except KeyboardInterrupt as error:
        watch.fail(error)
        # A person who stops a cell knows that they did; where our code was then says nothing.
        raise DeployInterrupted(f"The deploy of {name!r} was stopped.") from None
    except BaseException as error:
        watch.fail(error)
        raise
    watch.end(finished.card())
    return finished


def _deployed(
    model: Any,
    name: EndpointName,
    sample: Any,
    names: dict[str, Any],
    options: DeployOptions,
    watch: Watch,
) -> Deployed:
    # Imported here: MLflow and what belongs to it take seconds, and `%load_ext` should not.
    from jupyter_deploy import pipeline

    begun = begin()
    if begun is not None:
        # A second or two for it to come up, and more for what packaging needs: both at once.
        preload.load()
    with connect(begun=begun) as client:
        try:
            return pipeline.run(
                model,
                name,
                sample=sample,
                namespace=names,
                options=options,
                origin=session.origin(),
                client=client,
                progress=watch.see,
            )
        except pipeline.StoppedTooLate as late:
            watch.end(_finished(late.deployed, watch).card())
            version = late.deployed.ticket.version
            said = f"It was too late to stop the deploy of {name!r}: {version} is there."
            raise DeployInterrupted(said) from None


def _finished(deployed: Deployed, watch: Watch) -> Finished:
    number = deployed.ticket.version
    version = next(known for known in deployed.endpoint.versions if known.version == number)
    steps, notes = watch.steps, tuple(deployed.notes)
    return Finished(version, deployed.endpoint, deployed.manifest, steps, notes)


def _serving(name: str) -> str | None:
    with contextlib.suppress(DeployError), connect(start=False) as client:
        return client.endpoint(name).active
    return None
