"""The keys of an endpoint, as a person handles them in a notebook.

Rule: a key is a file.  Its text is in no attribute, no repr and no card.
"""

from __future__ import annotations

import time
from pathlib import Path

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.models import (
    CreateKey,
    IssuedKey,
    KeyStatus,
    RevokeKey,
    RotateKey,
)
from jupyter_deploy.core.limits import parse_duration, parse_rate
from jupyter_deploy.core.names import consumer_name
from jupyter_deploy.errors import NotFound, UsageError
from jupyter_deploy.notebook import keycards, session
from jupyter_deploy.notebook.card import Card
from jupyter_deploy.notebook.shown import Listing, Told


class Key(Told):
    """A key that exists: `file` (0600) holds it, and nothing else does."""

    def __init__(self, told: KeyStatus, file: str | None, card: Card) -> None:
        super().__init__(card)
        self.key_id = told.key_id
        self.consumer = told.consumer
        self.file = None if file is None else Path(file)


class Keys(Listing[KeyStatus]):
    """The keys that open one endpoint: a list, with the ways to change it."""

    kind, word = "key", "key_id"

    def __init__(self, name: str) -> None:
        with connect() as client:
            super().__init__(name, client.keys(name))
        self._now = time.time()

    def card(self) -> Card:
        """A row for each key."""
        return keycards.keys(self.name, self._items, self._now)

    def create(self, consumer: str, *, rate: str | None = None, expires: str | None = None) -> Key:
        """A new key for `consumer`, for example with rate="100/minute" and expires="90d".

        Raises InvalidName, InvalidRate or InvalidDuration.
        """
        asked = CreateKey(
            consumer=consumer_name(consumer),
            endpoints=(self.name,),
            origin=session.origin(),
            rate=None if rate is None else str(parse_rate(rate)),
            expires_seconds=None if expires is None else parse_duration(expires),
        )
        with connect() as client:
            return _issued(client.create_key(asked), "created")

    def rotate(self, who: str, *, overlap: str = "1d") -> Key:
        """A new secret for the key of consumer `who` (or with that key id).

        The old one is good for `overlap` more ("0s": for no time at all).  Raises NotFound.
        """
        seconds = 0.0 if overlap in ("0", "0s") else parse_duration(overlap)
        asked = RotateKey(origin=session.origin(), overlap_seconds=seconds)
        key = self._key_of(who)
        with connect() as client:
            return _issued(client.rotate_key(key.key_id, asked), "rotated")

    def revoke(self, who: str) -> Key:
        """The key of consumer `who` (or with that key id) opens nothing any more.

        Raises NotFound.
        """
        key = self._key_of(who)
        with connect() as client:
            told = client.revoke_key(key.key_id, RevokeKey(session.origin()))
        return Key(told, None, keycards.revoked(told))

    def _key_of(self, who: str) -> KeyStatus:
        alive = [key for key in self._items if key.revoked_at is None]
        named = [key for key in alive if who in (key.key_id, key.consumer)]
        if not named:
            raise NotFound(f"key of {self.name} for", who, [key.consumer for key in alive])
        if len(named) > 1:
            ids = ", ".join(key.key_id for key in named)
            raise UsageError(f"{who!r} has {len(named)} keys.", f"Name one by its key id: {ids}.")
        return named[0]


def _issued(told: IssuedKey, action: str) -> Key:
    return Key(told.key, told.file, keycards.issued(told, action, time.time()))
