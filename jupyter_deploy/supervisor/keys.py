"""Keys: made, rotated and revoked; known to the gateway before anybody is told.

Rule 1: a secret is written into one 0600 file, and nowhere else; the store has its digest.  Rule 2:
the file is there before the key is valid, so that no valid key is lost; a key that could not be
stored leaves no file.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from jupyter_deploy import failpoints
from jupyter_deploy.client.files import remove
from jupyter_deploy.client.models import (
    AuditEntry,
    CreateKey,
    IssuedKey,
    KeyStatus,
    RevokeKey,
    RotateKey,
)
from jupyter_deploy.core.keys import MintedKey, Secret, StoredKey, mint_key, read_key
from jupyter_deploy.core.limits import parse_rate
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.names import NOTEBOOK, consumer_name, endpoint_name
from jupyter_deploy.errors import Conflict, StateUnavailable, UsageError
from jupyter_deploy.supervisor.happenings import Action
from jupyter_deploy.supervisor.parts import Parts, audit_entry
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import Key, State
from jupyter_deploy.supervisor.store import writing

_LONGEST_SECONDS = 10 * 366 * 86400.0


class Keys:
    """What a person can do with keys."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        #: Held from reading a key to its change: none that is revoked is given a new secret.
        self._changing = asyncio.Lock()

    def list(self, endpoint: str | None) -> list[KeyStatus]:
        """The keys that open `endpoint`, or all.  Raises NotFound."""
        if endpoint is not None:
            self._parts.state.endpoint(endpoint_name(endpoint))
        keys = self._parts.state.keys
        return [status(key) for key in keys if endpoint in (None, *key.stored.endpoints)]

    async def create(self, wanted: CreateKey) -> IssuedKey:
        """A new key.  Raises UsageError, NotFound or Unavailable."""
        endpoints = _checked(wanted, self._parts.state)
        now, minted = time.time(), mint_key(secrets.token_bytes)
        file = key_file(self._parts.settings, endpoints, wanted.consumer, minted.key_id)
        stored = StoredKey(
            key_id=minted.key_id,
            consumer=wanted.consumer,
            digest=minted.digest,
            endpoints=endpoints,
            rate=wanted.rate,
            expires_at=None if wanted.expires_seconds is None else now + wanted.expires_seconds,
        )
        key = Key(stored, now, None, str(file))
        with written(self._parts, minted, file):
            await self._commit(key, "key-created", wanted.origin)
        await self._parts.routes.publish()
        return IssuedKey(status(key), key.file)

    async def rotate(self, key_id: str, wanted: RotateKey) -> IssuedKey:
        """A new secret for a key; the old one is good for a while.  Raises NotFound, Conflict."""
        _check_seconds("The overlap", wanted.overlap_seconds, least=0.0)
        async with self._changing:
            known = self._parts.state.key(key_id)
            if known.revoked_at is not None:
                raise Conflict(f"The key {key_id} has been revoked.", "Create a new one.")
            minted = mint_key(secrets.token_bytes, key_id)
            key = replace(known, stored=_rotated(known.stored, minted, wanted.overlap_seconds))
            file = Path(known.file)
            fresh = file.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            with written(self._parts, minted, file, fresh):
                await self._commit(key, "key-rotated", wanted.origin)
        await self._parts.routes.publish()
        return IssuedKey(status(key), key.file)

    async def revoke(self, key_id: str, wanted: RevokeKey) -> KeyStatus:
        """The key opens nothing any more.  Raises NotFound."""
        async with self._changing:
            key = self._parts.state.key(key_id)
            if key.revoked_at is None:
                key = replace(key, revoked_at=time.time())
                await self._commit(key, "key-revoked", wanted.origin)
                remove(Path(key.file))
        await self._parts.routes.publish()
        return status(key)

    async def follow_home(self) -> None:
        """Find the files of all keys where the home is now; somebody may have moved it.

        Raises StateUnavailable.
        """
        folder = self._parts.settings.keys
        left = [key for key in self._parts.state.keys if Path(key.file).parent != folder]

        def statements(connection: Connection) -> None:
            for key in left:
                file = folder / Path(key.file).name
                writing.key(connection, replace(key, file=str(file)))

        if left:
            await self._parts.store.change(statements)

    def recover(self) -> None:
        """Finish or remove what a supervisor that died has left half-written."""
        valid = {key.file: key for key in self._parts.state.keys if key.revoked_at is None}
        folder = self._parts.settings.keys
        for fresh in folder.glob("*.new"):
            key = valid.get(str(fresh.with_suffix(".key")))
            if key is not None and _names(fresh) == (key.stored.key_id, key.stored.digest):
                fresh.replace(key.file)
            else:
                remove(fresh)
        # After a recovery the state may not know a key that somebody has in hand.
        if self._parts.store.recovery is None:
            for file in folder.glob("*.key"):
                if str(file) not in valid and (_names(file) or not file.stat().st_size):
                    remove(file)

    async def _commit(self, key: Key, action: Action, origin: Origin) -> None:
        endpoints = self._parts.state.endpoints
        entries = [
            entry(key, action, name, endpoints[name].generation, origin)
            for name in key.stored.endpoints
        ]

        def statements(connection: Connection) -> None:
            writing.key(connection, key)
            for entry in entries:
                writing.audit(connection, entry)
            failpoints.reach(f"{action} in")

        failpoints.reach(f"{action} before")
        try:
            await self._parts.store.change(statements)
            failpoints.reach(f"{action} after")
        except Exception:
            # It may have been committed all the same.
            self._parts.routes.changed()
            raise


def entry(key: Key, action: Action, endpoint: str, generation: int, origin: Origin) -> AuditEntry:
    """What the audit says of a change of a key."""
    detail = f"{key.stored.key_id} of {key.stored.consumer}"
    return audit_entry(endpoint, generation, action, detail, origin)


@contextlib.contextmanager
def notebook_key(parts: Parts, endpoint: str) -> Iterator[Key | None]:
    """A key for the notebook's own calls, or None when it has one that its file still holds.

    One whose file is gone or damaged gets a new secret.  The file is removed again when the block
    does not commit it.
    """
    known = parts.state.notebook_key(endpoint)
    if known is not None and _holds(Path(known.file), known.stored):
        yield None
        return
    minted = mint_key(secrets.token_bytes, None if known is None else known.stored.key_id)
    file = parts.settings.keys / f"{endpoint}-{NOTEBOOK}.key"
    file.unlink(missing_ok=True)
    stored = StoredKey(minted.key_id, NOTEBOOK, minted.digest, (endpoint,))
    with written(parts, minted, file):
        yield Key(stored, time.time() if known is None else known.created_at, None, str(file))


@contextlib.contextmanager
def written(parts: Parts, minted: MintedKey, file: Path, at: Path | None = None) -> Iterator[None]:
    """The new secret in `file` (0600) once the block has committed the key; else it is removed.

    Until then it is `at` another place, where there is one: `file` holds the secret before.
    """
    at = at or file
    _write(at, minted.text)
    try:
        yield
    except asyncio.CancelledError:
        raise  # the change goes on without us: `recover` sees what has become of it
    except BaseException:
        _settle(parts, minted, at, file)
        raise
    else:
        _settle(parts, minted, at, file)


def _settle(parts: Parts, minted: MintedKey, at: Path, file: Path) -> None:
    # What has been committed stays, also where something failed after that.
    if any(key.stored.digest == minted.digest for key in parts.state.keys):
        at.replace(file)
    else:
        at.unlink(missing_ok=True)


def _write(file: Path, secret: Secret) -> None:
    try:
        # Somebody may have removed the folder with all the keys in it.
        file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # No newline at the end: `$(cat file)` and whoever reads the file get the key itself.
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secret.reveal())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            file.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateUnavailable(
            f"The key cannot be written to {file}: {error.strerror}.", "Make room or give access."
        ) from error


def _holds(file: Path, key: StoredKey) -> bool:
    """Whether the file holds the key's secret, or the one before, which is about to be replaced."""
    key_id, digest = _names(file) or ("", "")
    return key_id == key.key_id and digest in (key.digest, key.previous_digest)


def _names(file: Path) -> tuple[str, str] | None:
    """The key whose secret the file holds, and the secret's digest."""
    try:
        return read_key(file.read_text())
    except (OSError, UnicodeDecodeError):
        return None


def key_file(settings: Settings, endpoints: tuple[str, ...], consumer: str, key_id: str) -> Path:
    """Where the secret of a key is written."""
    scope = endpoints[0] if len(endpoints) == 1 else f"{endpoints[0]}+{len(endpoints) - 1}"
    return settings.keys / f"{scope}-{consumer}-{key_id}.key"


def status(key: Key) -> KeyStatus:
    """A key without its secret."""
    return KeyStatus(
        key_id=key.stored.key_id,
        consumer=key.stored.consumer,
        endpoints=key.stored.endpoints,
        created_at=key.created_at,
        rate=key.stored.rate,
        expires_at=key.stored.expires_at,
        previous_until=key.stored.previous_until,
        revoked_at=key.revoked_at,
    )


def _rotated(stored: StoredKey, minted: MintedKey, overlap_seconds: float) -> StoredKey:
    return replace(
        stored,
        digest=minted.digest,
        previous_digest=stored.digest if overlap_seconds > 0 else None,
        previous_until=time.time() + overlap_seconds if overlap_seconds > 0 else None,
    )


def _checked(wanted: CreateKey, state: State) -> tuple[str, ...]:
    """The endpoints of a key that may be created."""
    if consumer_name(wanted.consumer) == NOTEBOOK:
        raise UsageError(f"The consumer {NOTEBOOK!r} is the notebook itself.", "Take another name.")
    if not wanted.endpoints:
        raise UsageError("A key needs an endpoint that it opens.", "Name at least one.")
    for name in wanted.endpoints:
        state.endpoint(endpoint_name(name))
    if wanted.rate is not None:
        parse_rate(wanted.rate)
    if wanted.expires_seconds is not None:
        _check_seconds("The time until a key expires", wanted.expires_seconds, least=1.0)
    return tuple(dict.fromkeys(wanted.endpoints))


def _check_seconds(what: str, seconds: float, *, least: float) -> None:
    if not (math.isfinite(seconds) and least <= seconds <= _LONGEST_SECONDS):
        raise UsageError(f"{what} cannot be {seconds:g} s.", "Take up to ten years: 90d.")
