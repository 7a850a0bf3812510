"""API keys: their form, and how one is told from another.

    jd_live_<key id: 12 characters>_<secret: 43 characters><checksum: 6 characters>

Rule 1: only the SHA-256 of the secret is ever stored; a 256-bit random secret needs no salt and no
slow hash.  Rule 2: a key is found by its id and compared in constant time.  Rule 3: the identity is
the key id: rotation changes the secret and nothing else.  The checksum (CRC-32, base 62) lets a
scanner tell a leaked key from noise and a gateway refuse a typing error without a look-up.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 12, 43, 6
_KEY = re.compile(
    rf"jd_live_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})"
    rf"([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})",
    re.ASCII,
)
_NO_DIGEST = "0" * 64


class Secret:
    """A string that cannot be printed, formatted, compared, pickled or logged by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself.  Call this only to write it into a 0600 file or a header."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __str__(self) -> str:
        return "Secret(...)"

    def __format__(self, spec: str) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: `text` goes to its owner once, `digest` is what is stored."""

    key_id: str
    text: Secret
    digest: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key.  Times are seconds since the epoch (wall clock).

    Invariant: `previous_digest` is accepted until `previous_until`, and only then exists.
    """

    key_id: str
    consumer: str
    digest: str
    endpoints: tuple[str, ...]
    rate: str | None = None
    expires_at: float | None = None
    previous_digest: str | None = None
    previous_until: float | None = None


def mint_key(random_bytes: Callable[[int], bytes], key_id: str | None = None) -> MintedKey:
    """A new key from `random_bytes` (`secrets.token_bytes`); with `key_id`, a new secret for it."""
    key_id = key_id or _base62(random_bytes(9), _ID_LENGTH)
    secret = _base62(random_bytes(32), _SECRET_LENGTH)
    body = f"jd_live_{key_id}_{secret}"
    return MintedKey(key_id, Secret(body + _checksum(body)), _digest(secret))


def read_key(text: str) -> tuple[str, str] | None:
    """The key id and the digest of the secret in `text`, or None when it is no key of ours."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM_LENGTH]) != match[3]:
        return None
    return match[1], _digest(match[2])


def matches(key: StoredKey | None, digest: str, now: float) -> bool:
    """Whether `digest` is a valid secret of `key` at `now` (seconds since the epoch).

    An unknown key takes as long as a known one.
    """
    current = hmac.compare_digest(key.digest if key else _NO_DIGEST, digest)
    overlap = key is not None and key.previous_until is not None and now < key.previous_until
    previous = key.previous_digest if key is not None else None
    earlier = hmac.compare_digest(previous or _NO_DIGEST, digest) and overlap and bool(previous)
    alive = key is not None and (key.expires_at is None or now < key.expires_at)
    return alive and (current or earlier)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()).to_bytes(4), _CHECKSUM_LENGTH)


def _base62(data: bytes, length: int) -> str:
    number = int.from_bytes(data)
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
