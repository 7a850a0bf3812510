"""What the extension forwards, and which right each request needs.

Rule 1: what is not in this table is not forwarded.  Rule 2: this file reads no request and knows no
framework.  Rights are Jupyter's: "read" looks, "write" changes what is kept, and "execute" is asked
for whatever starts a process or decides which model's code answers callers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Right = Literal["read", "write", "execute"]

_NAME = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ID = "[A-Za-z0-9_-]{1,64}"


class Route(NamedTuple):
    """One route of the control API, relative to /api/."""

    method: str
    path: re.Pattern[str]
    right: Right
    #: The body says who asks (`origin`), which only we may say.
    signed: bool = False


def _route(method: str, path: str, right: Right, *, signed: bool = False) -> Route:
    return Route(method, re.compile(path, re.ASCII), right, signed)


ROUTES = (
    _route("GET", "status|endpoints|events|audit|keys|registry-models|openapi[.]json", "read"),
    _route("GET", f"endpoints/{_NAME}(?:/(?:errors|form|logs|metrics|audit))?", "read"),
    _route("GET", f"deploys/{_ID}", "read"),
    _route("POST", f"endpoints/{_NAME}/(?:deploys|rollback|promote)", "execute", signed=True),
    _route("POST", f"endpoints/{_NAME}/put-alias-back", "execute", signed=True),
    _route("POST", f"endpoints/{_NAME}/try", "execute"),
    _route("POST", f"deploys/{_ID}/submit", "execute"),
    _route("POST", "keys", "write", signed=True),
    _route("POST", f"keys/{_ID}/(?:rotate|revoke)", "write", signed=True),
    _route("POST", "registry-ui|registry-look", "execute"),
    _route("POST", "stop|upgrade", "execute", signed=True),
    _route("DELETE", f"deploys/{_ID}", "write"),
    _route("DELETE", f"endpoints/{_NAME}", "execute", signed=True),
)

#: The query parameters of the control API.  A token in a URL stays where it is.
QUERY = ("after", "wait", "limit", "lines", "version", "endpoint", "window")


def find(method: str, path: str) -> Route | None:
    """The route of a request, or None when there is none.  `path` is relative to /api/."""
    matching = (route for route in ROUTES if route.method == method and route.path.fullmatch(path))
    return next(matching, None)


def sign(body: object, username: str) -> dict[str, object]:
    """`body` with the person who asks in its origin, whatever it said before.

    The place (notebook and cell) is the caller's to tell; a pid is not, because it would make the
    caller's deploy live as long as some other process.  Raises ValueError: no JSON object.
    """
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    told = body.get("origin")
    told = told if isinstance(told, Mapping) else {}
    place = {key: told[key] for key in ("notebook", "cell") if isinstance(told.get(key), str)}
    return body | {"origin": {"user": username, "via": "lab"} | place}
