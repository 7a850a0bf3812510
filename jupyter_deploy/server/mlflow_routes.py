"""What of MLflow's UI the extension passes on, and which right each request needs.

Rule 1: what is not listed here is not passed on: neither MLflow's gateway with its secrets, nor its
webhooks, its assistant and whatever else runs something.  Rule 2: this file reads no request and
knows no framework.  Rule 3: MLflow searches by POST, so a method alone says not what is a change.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode

from jupyter_deploy.server.routes import Right

_AJAX = r"ajax-api/[0-9]\.0/mlflow/"
_SEGMENTS = r"[\w.@%:-]+(?:/[\w.@%:-]+)*"
_NOUNS = (
    "registered-models|model-versions|runs|experiments|logged-models|metrics|artifacts|traces"
    "|datasets|assessments"
)
_LOOKS = re.compile(
    r"|version|health|get-artifact|model-versions/get-artifact|graphql|manifest[.]json"
    rf"|static-files/{_SEGMENTS}"
    rf"|{_AJAX}(?:{_NOUNS}|get-trace-artifact|server-info|users/current|workspaces"
    rf"|ui-telemetry|scorers/list|issues)(?:/{_SEGMENTS})?",
    re.ASCII,
)
_LOOKS_BY_POST = re.compile(
    rf"graphql|{_AJAX}(?:{_NOUNS})/(?:{_SEGMENTS}/)?"
    r"(?:search|search-datasets|search-long-running|batch|batchGet|metrics|get-history-bulk)",
    re.ASCII,
)
_CHANGES = re.compile(rf"{_AJAX}(?:{_NOUNS})(?:/{_SEGMENTS})?", re.ASCII)
_CHANGING = ("POST", "PATCH", "DELETE")

#: What a request and an answer may carry besides their body.
REQUEST_HEADERS = ("Accept", "Accept-Language", "Content-Type", "If-None-Match", "Range")
ANSWER_HEADERS = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Last-Modified",
)


def right(method: str, path: str) -> Right | None:
    """The right that a request needs, or None when it is not passed on.

    `path` is relative to the UI's root, as it came.
    """
    if _climbs(path):
        return None
    if method in ("GET", "HEAD"):
        return "read" if _LOOKS.fullmatch(path) else None
    if method == "POST" and _LOOKS_BY_POST.fullmatch(path):
        return "read"
    return "execute" if method in _CHANGING and _CHANGES.fullmatch(path) else None


def query(asked: str) -> str:
    """The query to pass on, with its question mark: without what Jupyter alone may see."""
    pairs = parse_qsl(asked, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name not in ("token", "_xsrf")]
    return f"?{urlencode(kept)}" if kept else ""


def is_own_page(path: str) -> bool:
    """Whether the answer is a page of MLflow's own, and nothing that somebody has logged."""
    return path == "" or path.startswith("static-files/")


def same_site(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Whether a request that may change something comes from one of our own pages.

    MLflow's pages do not know of Jupyter's XSRF token, so the browser's own word stands for it:
    Sec-Fetch-Site, which no page can set, or Origin where a browser does not send that (without
    HTTPS, other than on localhost).
    """
    if fetch_site is not None:
        return fetch_site == "same-origin"
    return origin is not None and origin.partition("://")[2].lower() == host.lower()


def _climbs(path: str) -> bool:
    # MLflow decodes what is still encoded here, the slashes too.
    return any(one in (".", "..") for one in re.split(r"[/\\]", unquote(path)))
