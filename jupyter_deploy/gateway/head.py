"""What the head of a request may be: how large, which fields once, and without which it is read."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_deploy.errors import (
    AmbiguousField,
    HeadTooLarge,
    HostMissing,
    RequestError,
    UnsupportedCoding,
)

MAX_BYTES = 65_536
MOST_FIELDS = 128
#: Two of these could be read as one by us and as the other by whoever stands before us
#: (RFC 9110 section 5.3).  The HTTP parser sees to content-length and transfer-encoding itself.
_SINGLE = frozenset((b"authorization", b"x-api-key", b"content-type", b"host"))


def fault(
    url: bytes, fields: list[tuple[bytes, bytes]], named: dict[bytes, bytes], received: int,
    version: Callable[[], str],
) -> RequestError | None:  # fmt: skip
    """Why this head cannot be taken, if so; `received` bytes came with its last part.

    `named` is `fields` by name, and `version` tells that of HTTP.
    """
    count = len(fields)
    if count > MOST_FIELDS or (received > MAX_BYTES and _size(url, fields) > MAX_BYTES):
        return HeadTooLarge(MAX_BYTES, MOST_FIELDS)
    if b"host" not in named and version() == "1.1":
        return HostMissing()
    coding = named.get(b"transfer-encoding")
    if coding is not None and coding.strip().lower() != b"chunked":
        return UnsupportedCoding(coding.decode("latin-1"))
    if len(named) == count:
        return None
    names = [name for name, _ in fields if name in _SINGLE]
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else AmbiguousField(twice.decode())


def without_offer(
    method: bytes, url: bytes, version: str, fields: list[tuple[bytes, bytes]]
) -> bytes:
    """A head without its offer of another protocol, which Java's client makes with each request.

    The parser takes what comes behind the offer for that protocol, and the body would be lost:
    https://github.com/Kludex/uvicorn/issues/2722.
    """
    lines = [name + b": " + value for name, value in fields if name != b"upgrade"]
    return b"\r\n".join((b"%b %b HTTP/%b" % (method, url, version.encode()), *lines, b"", b""))


def _size(url: bytes, fields: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in fields)
