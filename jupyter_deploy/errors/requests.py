"""What a caller of the API can be told."""

from __future__ import annotations

import math
from typing import Any

from jupyter_deploy.errors.base import DeployError


class RequestError(DeployError):
    """A request to the data plane that gets an error."""

    code, status, title = "request-error", 400, "The request failed"


class BadInput(RequestError, ValueError):
    """The body is not what the contract asks for; `errors` says where."""

    code, status, title = "bad-input", 400, "The input does not fit the contract"
    errors: tuple[dict[str, Any], ...] = ()

    def __init__(self, detail: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.errors = tuple(errors or ())

    def extras(self) -> dict[str, Any]:
        """One entry for each value that is wrong."""
        return {"errors": list(self.errors)} if self.errors else {}

    def restore(self, document: dict[str, Any]) -> None:
        """Take back the entries."""
        self.errors = tuple(document.get("errors", ()))

    def __str__(self) -> str:
        wrong = [_where(entry) for entry in self.errors[:3]]
        if len(self.errors) > len(wrong):
            wrong.append(f"and {len(self.errors) - len(wrong)} more")
        return (
            f"{super().__str__()} {'; '.join(wrong)}.".replace("..", ".") if wrong else self.detail
        )


def _where(entry: dict[str, Any]) -> str:
    place = [f"{word} {entry[word]!r}" for word in ("row", "column") if entry.get(word) is not None]
    expected = f"expected {entry.get('expected')}, got {entry.get('got')}"
    what = expected if entry.get("expected") else str(entry.get("message", ""))
    return f"{', '.join(place)}: {what}" if place else what


class Unauthorized(RequestError, PermissionError):
    """No credentials, or bad ones."""

    code, status, title = "unauthorized", 401, "A valid key is needed"
    sent = False

    def __init__(self, *, sent: bool) -> None:
        # One sentence for unknown, wrong, expired and revoked: a caller must not learn which.
        detail = "The key is not valid." if sent else "The request has no key."
        super().__init__(detail, "Send 'Authorization: Bearer KEY' with a key for this endpoint.")
        self.sent = sent

    def headers(self) -> list[tuple[str, str]]:
        """The challenge of RFC 6750 section 3, and Basic for clients that only take a URL."""
        reason = ', error="invalid_token"' if self.sent else ""
        return [
            ("www-authenticate", f'Bearer realm="jupyter_deploy"{reason}'),
            ("www-authenticate", 'Basic realm="jupyter_deploy", charset="UTF-8"'),
        ]


class Forbidden(RequestError, PermissionError):
    """Good credentials without the right to this endpoint."""

    code, status, title = "forbidden", 403, "The key has no right to this endpoint"

    def __init__(self, what: str) -> None:
        super().__init__(f"This key does not open {what}.", "Ask the owner for a key that does.")


class UnknownRoute(RequestError, LookupError):
    """There is no such path, endpoint or version on the gateway."""

    code, status, title = "unknown-route", 404, "Nothing is served here"

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what[:120]} is not served here.", fix)


class MethodNotAllowed(RequestError):
    """The path is served, but not for this method."""

    code, status, title = "method-not-allowed", 405, "The method is not allowed"
    allowed = ""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method[:16]} is not allowed here.", f"Use {allowed}.")
        self.allowed = allowed

    def headers(self) -> list[tuple[str, str]]:
        """The methods that are."""
        return [("allow", self.allowed)]


class RequestTimeout(RequestError):
    """The request did not arrive in time."""

    code, status, title = "request-timeout", 408, "The request took too long to arrive"

    def __init__(self, seconds: float, part: str = "body") -> None:
        super().__init__(f"The {part} did not arrive within {seconds:g} s.")

    def headers(self) -> list[tuple[str, str]]:
        """A half-read connection cannot be used again."""
        return [("connection", "close")]


class HeadTooLarge(RequestError):
    """The head of the request is over the gateway's limits."""

    code, status, title = "head-too-large", 431, "The head of the request is too large"

    def __init__(self, most_bytes: int, most_fields: int) -> None:
        super().__init__(
            f"A head may have {most_bytes} bytes and {most_fields} fields.", "Send less of them."
        )

    def headers(self) -> list[tuple[str, str]]:
        """What follows a head that was not read cannot be told from it."""
        return [("connection", "close")]


class AmbiguousField(RequestError):
    """A header field that may be sent once was sent more often."""

    code, status, title = "ambiguous-field", 400, "A header field is ambiguous"

    def __init__(self, name: str) -> None:
        super().__init__(f"The header {name} was sent more than once.", "Send it once.")

    def headers(self) -> list[tuple[str, str]]:
        """Whoever sends this may mean the rest otherwise, too."""
        return [("connection", "close")]


class HostMissing(RequestError):
    """A request of HTTP/1.1 does not say which host it is for (RFC 9112 section 3.2)."""

    code, status, title = "host-missing", 400, "The host is missing"

    def __init__(self) -> None:
        super().__init__("The request has no header Host.", "Send it, as HTTP/1.1 requires.")


class UnsupportedCoding(RequestError):
    """A transfer coding other than chunked (RFC 9112 section 6.1)."""

    code, status, title = "unsupported-coding", 501, "The transfer coding is not supported"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The transfer coding {what[:80]!r} is not supported.", "Send chunked, not compressed."
        )


class TooLarge(RequestError):
    """The body is over the endpoint's limit."""

    code, status, title = "too-large", 413, "The body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than {limit} bytes.", "Send fewer rows in each request."
        )

    def headers(self) -> list[tuple[str, str]]:
        """A half-read connection cannot be used again."""
        return [("connection", "close")]


class TooManyValues(RequestError):
    """The rows leave out so many values that filling them in would take too much memory."""

    code, status, title = "too-many-values", 413, "The rows leave out too many values"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"The rows leave out more than {most} values of the contract's columns.",
            "Send fewer rows in each request.",
        )


class UnsupportedMedia(RequestError):
    """The content type or encoding is not one that the endpoint reads."""

    code, status, title = "unsupported-media", 415, "The content type is not supported"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what[:80]!r} is not supported.", "Send application/json or text/csv, not compressed."
        )


class OverLimit(RequestError):
    """The key has used up its rate."""

    code, status, title = "over-limit", 429, "The rate limit of this key is reached"
    _headers: tuple[tuple[str, str], ...] = ()

    def __init__(self, limit: str, retry_after: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(f"This key may send {limit}.", f"Try again in {retry_after} s.")
        self._headers = (("retry-after", str(retry_after)), *headers)

    def headers(self) -> list[tuple[str, str]]:
        """`Retry-After`, `RateLimit` and `RateLimit-Policy`."""
        return list(self._headers)


class ModelFailed(RequestError):
    """The model raised.  The trace is kept under the request's id, for the owner."""

    code, status, title = "model-failed", 500, "The model failed"

    def __init__(self) -> None:
        super().__init__(
            "The model failed on this input.", "The owner finds the cause under this request's id."
        )


class Poisonous(RequestError):
    """This very request has killed two replicas; it is not tried again."""

    code, status, title = "poisonous-request", 500, "This request stops the model's process"

    def __init__(self) -> None:
        super().__init__(
            "This request has stopped two processes of the model; it is refused from now on.",
            "The owner finds it among the endpoint's errors.",
        )


class GatewayFailed(RequestError):
    """Something of ours broke; the trace is in the gateway's log under the request's id."""

    code, status, title = "gateway-failed", 500, "The gateway failed"

    def __init__(self) -> None:
        super().__init__(
            "The gateway failed on this request.", "The owner finds the cause under its id."
        )


class NoReplica(RequestError):
    """No replica of the version is running now."""

    code, status, title = "no-replica", 503, "No process of this version is running now"

    def __init__(self) -> None:
        super().__init__("No process of this version is running now.", "Try again in a moment.")

    def headers(self) -> list[tuple[str, str]]:
        """Replicas usually come back within a second or two."""
        return [("retry-after", "2")]


class Overloaded(RequestError):
    """Too many requests are waiting."""

    code, status, title = "overloaded", 503, "Too many requests are waiting"
    _seconds = 0.0  # of one that crossed a socket nothing more is known

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__("Too many requests are waiting for this endpoint.", "Try again later.")
        self._seconds = seconds

    def headers(self) -> list[tuple[str, str]]:
        """`Retry-After`: the seconds until the wait is bearable at the present pace, at least 1."""
        return [("retry-after", str(max(1, math.ceil(self._seconds))))]


class ShortOfMemory(RequestError):
    """The bodies of requests hold all the memory that they may now."""

    code, status, title = "short-of-memory", 503, "There is too little memory for this now"

    def __init__(self) -> None:
        super().__init__(
            "Requests that are being read or answered hold all the memory that they may now.",
            "Try again later, or send fewer rows in each request.",
        )

    def headers(self) -> list[tuple[str, str]]:
        """The next moment may be a better one."""
        return [("retry-after", "1")]


class DeadlineExceeded(RequestError):
    """The answer did not come before the request's deadline."""

    code, status, title = "deadline-exceeded", 504, "The model took too long"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"There was no answer within {seconds:g} s.",
            "Send fewer rows in each request; for one row, whoever deploys it can allow more time.",
        )
