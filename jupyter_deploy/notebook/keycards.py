"""The cards of keys: they name a key's file, and never hold the key."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_deploy.client.models import IssuedKey, KeyStatus
from jupyter_deploy.notebook import words
from jupyter_deploy.notebook.card import Card, Cell, Code, Table


def issued(key: IssuedKey, action: str, now: float) -> Card:
    """A key that has been written to its file; the card holds the path, never the key."""
    facts = [*_key_facts(key.key), ("File", Code(key.file))]
    return Card(
        f"Key of {key.key.consumer} {action}",
        words.mark(_key_state(key.key, now)),
        "The key is in the file, which only you can read; it is shown nowhere.",
        facts=tuple(facts),
    )


def revoked(key: KeyStatus) -> Card:
    """A key that opens nothing any more."""
    return Card(
        f"Key of {key.consumer} revoked",
        words.mark("revoked"),
        "It opens nothing any more.",
        facts=tuple(_key_facts(key)),
    )


def keys(name: str, known: Sequence[KeyStatus], now: float) -> Card:
    """The keys of an endpoint, as they are at `now`."""
    rows = tuple(_key_row(key, now) for key in known)
    columns = ("consumer", "key id", "state", "rate", "created", "expires")
    line = f"%apikey create {name} --consumer WHO"
    if not rows:
        return Card(f"{name} has no keys", commands=(("Create one", line),))
    return Card(f"{name}: {words.counted(len(rows), 'key')}", table=Table(columns, rows))


def _key_facts(key: KeyStatus) -> list[tuple[str, Cell]]:
    facts: list[tuple[str, Cell]] = [
        ("Key id", Code(key.key_id)),
        ("Opens", ", ".join(key.endpoints)),
        ("Rate", key.rate or "no limit"),
        ("Expires", words.clock(key.expires_at) if key.expires_at else "never"),
    ]
    if key.previous_until and key.revoked_at is None:
        facts.append(("Old secret", f"good until {words.clock(key.previous_until)}"))
    return facts


def _key_row(key: KeyStatus, now: float) -> tuple[Cell, ...]:
    return (
        key.consumer,
        Code(key.key_id),
        words.mark(_key_state(key, now)),
        key.rate or "no limit",
        words.clock(key.created_at),
        words.clock(key.expires_at) if key.expires_at else "never",
    )


def _key_state(key: KeyStatus, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    expired = key.expires_at is not None and key.expires_at <= now
    return "expired" if expired else "valid"
