"""The command or the call is wrong."""

from __future__ import annotations

from jupyter_deploy.errors.base import DeployError


class UsageError(DeployError, ValueError):
    """The command or the call cannot be understood, or asks for what cannot be."""

    code, status, title = "usage", 400, "The request cannot be understood"


class InvalidName(UsageError):
    """A name breaks the rule for names."""

    code, title = "invalid-name", "The name is not allowed"

    def __init__(self, kind: str, name: object, rule: str) -> None:
        shown = repr(name[:80] if isinstance(name, str) else name)[:90]
        super().__init__(f"{kind} {shown} is not a valid name.", f"Use {rule}.")


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
