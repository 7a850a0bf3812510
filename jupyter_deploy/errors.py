"""Every error that a person can meet, with its code, its HTTP status, one sentence and a way out.

Rule 1: an error is raised with data; the sentence is built here, in the words of the person who
reads it.  Rule 2: `detail` says what happened and why, `fix` says what to do.  Rule 3: neither ever
holds a secret, a stack trace or a row of somebody's data.

    DeployError
    |-- UsageError            400  the command or the call is wrong          (ValueError)
    |   |-- InvalidName, InvalidVersion, InvalidRate, NotFitted, NotAModel, SampleMismatch, ...
    |-- NotFound              404  no such endpoint, version, key            (LookupError)
    |-- Conflict              409  somebody or something was there first
    |   |-- DeployInProgress, VersionExists, StaleGeneration, NothingToRollBackTo
    |-- DeployFailed          422  a step of a deploy failed; what served goes on serving
    |   |-- NotReproduced, ReplicaFailed, PackageFailed
    |-- Unavailable           503  the supervisor, its state or the registry is not there (OSError)
    |-- RequestError               what a caller of the API can be told
        |-- BadInput 400, Unauthorized 401, Forbidden 403, UnknownRoute 404, MethodNotAllowed 405,
        |-- TooLarge 413, UnsupportedMedia 415, OverLimit 429,
        |-- ModelFailed 500, Poisonous 500, GatewayFailed 500,
        |-- NoReplica 503, Overloaded 503, DeadlineExceeded 504
"""

from __future__ import annotations

from typing import Any, ClassVar

PROBLEM_TYPE = "https://jupyterlab-deploy.readthedocs.io/errors#"


class DeployError(Exception):
    """The base of all errors of this package.

    `code` is stable and machine-readable, `status` the HTTP status it has on both planes, `detail`
    says what happened and why, `fix` what to do about it (it may be empty).
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    #: The id of the request that got this error, on the side that sent it.
    request_id: str = ""
    _by_code: ClassVar[dict[str, type[DeployError]]] = {}

    def __init__(self, detail: str, fix: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        DeployError._by_code[cls.code] = cls

    def __str__(self) -> str:
        return f"{self.detail} {self.fix}".rstrip()

    def extras(self) -> dict[str, Any]:
        """More members for the problem document, beside the five of RFC 9457."""
        return {}

    def problem(self, instance: str) -> dict[str, Any]:
        """This error as a problem document (RFC 9457); `instance` is the request's id."""
        document = {
            "type": PROBLEM_TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.fix:
            document["fix"] = self.fix
        return document | self.extras()

    @classmethod
    def from_problem(cls, document: dict[str, Any]) -> DeployError:
        """The error that a problem document stands for: its class where the code is known."""
        code = str(document.get("type", "")).rpartition("#")[2]
        kind = cls._by_code.get(code, DeployError)
        error = kind.__new__(kind)
        DeployError.__init__(error, str(document.get("detail", "")), str(document.get("fix", "")))
        error.request_id = str(document.get("instance", ""))
        error.restore(document)
        return error

    def restore(self, document: dict[str, Any]) -> None:
        """Take back the members that `extras` wrote."""

    def _render_traceback_(self) -> list[str]:
        # IPython's documented hook: a person reads what, why and what to do, not our frames.
        return [f"{type(self).__name__}: {self}"]


# --- the command or the call is wrong -----------------------------------------------------------


class UsageError(DeployError, ValueError):
    """The command or the call cannot be understood, or asks for what cannot be."""

    code, status, title = "usage", 400, "The request cannot be understood"


class InvalidName(UsageError):
    """A name breaks the rule for names."""

    code, title = "invalid-name", "The name is not allowed"

    def __init__(self, kind: str, name: str, rule: str) -> None:
        super().__init__(f"{kind} {name[:80]!r} is not a valid name.", f"Use {rule}.")


class InvalidVersion(UsageError):
    """A version is not MAJOR.MINOR.PATCH, or goes backwards."""

    code, title = "invalid-version", "The version is not allowed"


class InvalidRate(UsageError):
    """A rate is not COUNT/second, COUNT/minute, COUNT/hour or COUNT/day."""

    code, title = "invalid-rate", "The rate is not allowed"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not a rate.",
            "Write a whole number and a unit: 100/minute (second, minute, hour or day).",
        )


class InvalidDuration(UsageError):
    """A duration is not a number with s, m, h or d."""

    code, title = "invalid-duration", "The duration is not allowed"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not a duration.", "Write a number and a unit: 90d, 12h, 30m or 45s."
        )


class NotAModel(UsageError, TypeError):
    """The object to deploy has no predict method, and is neither a function nor a model URI."""

    code, title = "not-a-model", "This is not a model"


class NotFitted(UsageError):
    """The estimator has not been fitted."""

    code, title = "not-fitted", "The model is not fitted"

    def __init__(self, kind: str) -> None:
        super().__init__(f"This {kind} is not fitted.", "Call .fit(X, y) first, then deploy it.")


class SampleMismatch(UsageError):
    """The sample is not of the kind or has not the columns that the model was fitted on."""

    code, title = "sample-mismatch", "The sample does not fit the model"


class ExpressionFailed(UsageError):
    """An expression given to a magic does not evaluate."""

    code, title = "expression-failed", "The expression does not evaluate"


class UnsupportedPlatform(UsageError):
    """This operating system cannot run the supervisor."""

    code, title = "unsupported-platform", "This platform is not supported"

    def __init__(self, platform: str) -> None:
        super().__init__(
            f"jupyter_deploy serves on Linux and macOS, not on {platform}.",
            "On Windows, install and run it inside WSL 2.",
        )


# --- not there, or somebody was first ------------------------------------------------------------


class NotFound(DeployError, LookupError):
    """There is no such endpoint, version, key or deploy."""

    code, status, title = "not-found", 404, "Not found"

    def __init__(self, kind: str, name: str, known: list[str] | None = None) -> None:
        hint = f"Known: {', '.join(known[:8])}." if known else ""
        super().__init__(f"There is no {kind} {name[:80]!r}.", hint)


class Conflict(DeployError):
    """Somebody or something was there first."""

    code, status, title = "conflict", 409, "In conflict with the present state"


class DeployInProgress(Conflict):
    """Another deploy of this endpoint is under way."""

    code, title = "deploy-in-progress", "Another deploy is under way"

    def __init__(self, name: str, holder: str, since: str) -> None:
        super().__init__(
            f"{holder} is deploying {name!r} since {since}.",
            "Wait until it has ended, then run the command again.",
        )


class VersionExists(Conflict):
    """The version has been deployed already; versions never change."""

    code, title = "version-exists", "The version exists"

    def __init__(self, name: str, version: str, following: str) -> None:
        super().__init__(
            f"{name} {version} exists, and a version never changes.",
            f"Leave --version out, or take {following} or higher.",
        )


class StaleGeneration(Conflict):
    """The change was made against an older state of the endpoint."""

    code, title = "stale-generation", "The endpoint has changed since"

    def __init__(self, name: str, expected: int, actual: int) -> None:
        super().__init__(
            f"{name!r} has changed since (generation {actual}, yours is {expected}).",
            "Look at it again, and repeat the change if you still want it.",
        )


class NothingToRollBackTo(Conflict):
    """There is no earlier version to go back to."""

    code, title = "nothing-to-roll-back-to", "There is no version to go back to"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} has no version before the active one.",
            "Name one with --to, or deploy a second version first.",
        )


# --- a deploy failed ------------------------------------------------------------------------------


class DeployFailed(DeployError, RuntimeError):
    """A step of a deploy failed.  What was serving goes on serving."""

    code, status, title = "deploy-failed", 422, "The deploy failed"
    step = ""
    log: tuple[str, ...] = ()

    def __init__(
        self, step: str, detail: str, fix: str = "", log: tuple[str, ...] | list[str] = ()
    ) -> None:
        super().__init__(detail, fix)
        self.step = step
        self.log = tuple(log)

    def extras(self) -> dict[str, Any]:
        """The step, and the last lines of the log of the process that failed."""
        return {"step": self.step, "log": list(self.log)}

    def restore(self, document: dict[str, Any]) -> None:
        """Take back the step and the log."""
        self.step = str(document.get("step", ""))
        self.log = tuple(str(line) for line in document.get("log", ()))

    def __str__(self) -> str:
        return f"{self.step}: {super().__str__()}" if self.step else super().__str__()

    def _render_traceback_(self) -> list[str]:
        lines = [f"{type(self).__name__} at step {self.step!r}: {self.detail}"]
        lines += [f"  | {line}" for line in self.log]
        return [*lines, self.fix] if self.fix else lines


class PackageFailed(DeployFailed):
    """The model cannot be written to the registry."""

    code, title = "package-failed", "The model cannot be packaged"


class NotReproduced(DeployFailed):
    """A fresh process does not give the notebook's answers."""

    code, title = "not-reproduced", "The served model answers differently"


class ReplicaFailed(DeployFailed):
    """A replica of the version cannot become ready."""

    code, title = "replica-failed", "The version cannot start"


# --- a part of ours is not there ------------------------------------------------------------------


class Unavailable(DeployError, OSError):
    """The supervisor, its state or the registry cannot be used now."""

    code, status, title = "unavailable", 503, "Not available now"


class SupervisorUnavailable(Unavailable):
    """The supervisor cannot be reached or started."""

    code, title = "supervisor-unavailable", "The supervisor cannot be reached"


class StateUnavailable(Unavailable):
    """The supervisor cannot write its state: no access, a full disk, a lock."""

    code, title = "state-unavailable", "The state cannot be written"


class RegistryUnavailable(Unavailable):
    """MLflow cannot be reached or written."""

    code, title = "registry-unavailable", "The model registry cannot be used"


# --- what a caller of the API can be told ---------------------------------------------------------


class RequestError(DeployError):
    """A request to the data plane that gets an error."""

    code, status, title = "request-error", 400, "The request failed"

    def headers(self) -> list[tuple[str, str]]:
        """Response headers that belong to this error."""
        return []


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

    def __init__(self, what: str) -> None:
        super().__init__(f"{what[:120]} is not served here.")


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

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The body did not arrive within {seconds:g} s.")

    def headers(self) -> list[tuple[str, str]]:
        """A half-read connection cannot be used again."""
        return [("connection", "close")]


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

    def __init__(self) -> None:
        super().__init__("Too many requests are waiting for this endpoint.", "Try again later.")

    def headers(self) -> list[tuple[str, str]]:
        """Queues empty within seconds once the load falls."""
        return [("retry-after", "1")]


class DeadlineExceeded(RequestError):
    """The answer did not come before the request's deadline."""

    code, status, title = "deadline-exceeded", 504, "The model took too long"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"There was no answer within {seconds:g} s.")
