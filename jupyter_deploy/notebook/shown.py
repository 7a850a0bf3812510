"""Things that show themselves as a card, and lists of them.

Rule: a list and a result show what was known when they were made; showing them does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar, overload

import msgspec

from jupyter_deploy.client.figures import EndpointMetrics
from jupyter_deploy.client.models import (
    EndpointStatus,
    RequestFailure,
    TrafficChanged,
    VersionStatus,
)
from jupyter_deploy.errors import NotFound
from jupyter_deploy.notebook import card as render
from jupyter_deploy.notebook import cards, figures
from jupyter_deploy.notebook.card import Card

_T = TypeVar("_T")


class Shown:
    """Something with a card: HTML in a notebook, text in a terminal."""

    def card(self) -> Card:
        """What there is to see."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return render.text(self.card())

    def _repr_html_(self) -> str:
        return render.html(self.card())


class Told(Shown):
    """A card that is all there is to say."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def card(self) -> Card:
        """The card."""
        return self._card


class Listing(Shown, Sequence[_T], Generic[_T]):
    """A list that also finds an item by its word: a version, a request id, a name, a key id."""

    #: What an item is called, and which of its attributes is its word.
    kind: ClassVar[str] = "item"
    word: ClassVar[str] = "name"

    def __init__(self, name: str, items: Sequence[_T]) -> None:
        self.name = name
        self._items = tuple(items)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int | str) -> _T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[_T]: ...
    def __getitem__(self, place: int | str | slice) -> _T | Sequence[_T]:
        if not isinstance(place, str):
            return self._items[place]
        for item in self._items:
            if getattr(item, self.word) == place:
                return item
        raise NotFound(self.kind, place, [getattr(item, self.word) for item in self._items])

    def __contains__(self, value: object) -> bool:
        return any(value in (item, getattr(item, self.word)) for item in self._items)


class Versions(Listing[VersionStatus]):
    """The history of an endpoint, oldest first; `versions["1.0.0"]` is one of them."""

    kind, word = "version", "version"

    def card(self) -> Card:
        """The history, newest first."""
        return cards.versions(self.name, self._items)


class Endpoints(Listing[EndpointStatus]):
    """All endpoints; `endpoints["churn"]` is one of them."""

    kind, word = "endpoint", "name"

    def card(self) -> Card:
        """A row for each endpoint."""
        return cards.endpoints(self._items)


class Failure(Shown):
    """One request that failed on our side; `str()` of it is the model's own trace."""

    def __init__(self, told: RequestFailure) -> None:
        self.request_id = told.request_id
        self.at = told.at
        self.version = told.version
        self.consumer = told.consumer
        self.code = told.code
        self.message = told.message
        self.trace = told.trace
        self._told = told

    def __str__(self) -> str:
        return self.trace

    def __contains__(self, text: str) -> bool:
        return text in self.trace

    def card(self) -> Card:
        """What failed, and the trace."""
        return cards.failure(self._told)


class Errors(Listing[Failure]):
    """The requests that failed on our side, newest first; `errors["<request id>"]` is one."""

    kind, word = "failed request", "request_id"

    def __init__(self, name: str, told: Sequence[RequestFailure]) -> None:
        super().__init__(name, [Failure(one) for one in told])
        self._told = tuple(told)

    def card(self) -> Card:
        """A row for each request."""
        return cards.failures(self.name, self._told)


class Changed(Told):
    """Traffic that has moved from `previous` to `version`, in `seconds`."""

    def __init__(self, told: TrafficChanged, action: str) -> None:
        super().__init__(cards.changed(told, action))
        self.name = told.name
        self.version = told.version
        self.previous = told.previous
        self.generation = told.generation
        self.seconds = told.seconds


class Metrics(Told):
    """What an endpoint did in a window: counts, times in milliseconds, and figures.

    JupyterLab with our extension draws them live, from the server and not from the kernel, so that
    they go on when the cell has ended and keep no idle kernel alive.  Everything else, and whoever
    opens the notebook elsewhere, shows the figures as they were.  `told` has all series.
    """

    def __init__(self, told: EndpointMetrics) -> None:
        super().__init__(cards.metrics(told))
        self.told = told
        self.requests = told.requests
        self.errors_4xx = told.errors_4xx
        self.errors_5xx = told.errors_5xx
        self.rows = told.rows
        self.waiting = told.waiting
        self.p50_ms = told.p50_ms
        self.p95_ms = told.p95_ms
        self.p99_ms = told.p99_ms

    def _repr_html_(self) -> str:
        return figures.html(self.told)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        live = {"metrics": msgspec.to_builtins(self.told)}
        return {figures.MIME: live, "text/html": self._repr_html_(), "text/plain": repr(self)}
