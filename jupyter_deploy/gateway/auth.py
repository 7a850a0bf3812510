"""Who calls: from the headers of a request to a key that is valid now.

Rule 1: the key is looked up in the present snapshot for every request, so that a revoked key ends
on kept-alive connections too.  Rule 2: nothing here keeps a key: what is remembered is the SHA-256
of a header.  Three ways to send a key are taken: `Authorization: Bearer KEY`, `X-API-Key: KEY`,
and Basic with the key as password or as user name, for clients that only take a URL.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping

from jupyter_deploy.core.keys import StoredKey, matches, read_key
from jupyter_deploy.errors import Forbidden, Unauthorized

Headers = Mapping[bytes, bytes]
_REMEMBERED = 10_000
_LONGEST = 4096


class Keyring:
    """The keys of one snapshot."""

    def __init__(self, keys: Iterable[StoredKey]) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._scopes = {key.key_id: frozenset(key.endpoints) for key in self._keys.values()}
        #: SHA-256 of a header -> the key that it names, and the digest of the secret in it.
        self._seen: dict[bytes, tuple[StoredKey, str]] = {}

    def caller(self, headers: Headers, now: float) -> StoredKey:
        """The key of a request at `now` (wall clock).  Raises Unauthorized."""
        sent = headers.get(b"authorization") or headers.get(b"x-api-key")
        if not sent:
            raise Unauthorized(sent=False)
        name = hashlib.sha256(sent).digest()
        found = self._seen.get(name) or self._read(sent, now)
        if found is None or not matches(found[0], found[1], now):
            raise Unauthorized(sent=True)
        self._remember(name, found)
        return found[0]

    def check_scope(self, key: StoredKey, endpoint: str) -> None:
        """Raises Forbidden unless `key` opens `endpoint`, whether or not there is such a one."""
        if endpoint not in self._scopes[key.key_id]:
            raise Forbidden(f"the endpoint {endpoint[:63]!r}")

    def _read(self, sent: bytes, now: float) -> tuple[StoredKey, str] | None:
        for text in candidates(sent):
            named = read_key(text)
            if named is None:
                continue
            key = self._keys.get(named[0])
            if key is not None:
                return key, named[1]
            matches(None, named[1], now)  # so that an unknown key takes as long as a known one
        return None

    def _remember(self, name: bytes, found: tuple[StoredKey, str]) -> None:
        if name in self._seen:
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[name] = found


def candidates(header: bytes) -> list[str]:
    """The texts in the value of a header that may be a key."""
    if len(header) > _LONGEST:
        return []
    text = header.decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    match scheme.lower():
        case "bearer":
            return [rest.strip()]
        case "basic":
            return _basic(rest.strip())
    return [text]


def _basic(encoded: str) -> list[str]:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return []
    return [password, user]
