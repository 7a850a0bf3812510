"""The base of all errors, and how one crosses a socket as a problem document (RFC 9457)."""

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

    def headers(self) -> list[tuple[str, str]]:
        """Response headers that belong to this error."""
        return []

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
