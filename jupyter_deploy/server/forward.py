"""Sending a request on to the supervisor, over its Unix socket.

Rule 1: a forwarded request has a header set of its own: no cookie, token or XSRF value of Jupyter's
reaches another process.  Rule 2: every request has a deadline.  Rule 3: an answer that is not JSON
is not passed on.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jupyter_deploy.errors import DeployError, SupervisorUnavailable, UsageError

if TYPE_CHECKING:
    import httpx

#: A rollback to a version that is not warm starts it first.
ANSWER_SECONDS = 300.0
CONNECT_SECONDS = 2.0
_JSON = ("application/json", "application/problem+json")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the browser."""

    status: int
    content_type: str
    body: bytes


def problem(error: DeployError) -> Answer:
    """`error` as an answer."""
    document = error.problem(f"urn:uuid:{uuid4()}")
    return Answer(error.status, "application/problem+json", json.dumps(document).encode())


def json_body(body: bytes) -> object:
    """What a request's body says.  Raises UsageError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("The body is not JSON.", "Send a JSON object.") from error


class Forwarder:
    """Connections to the supervisor; made when first used, and anew when its socket has moved."""

    def __init__(self) -> None:
        self._socket: Path | None = None
        self._http: httpx.AsyncClient | None = None

    async def send(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        """The supervisor's answer; 503 when there is none."""
        import httpx

        try:
            http = await self._client()
            headers = {"content-type": "application/json"} if body else {}
            answer = await http.request(
                method, f"/api/{path}", params=query, content=body, headers=headers
            )
        except DeployError as error:
            return problem(error)
        except httpx.HTTPError as error:
            return problem(_no_answer(error))
        return _checked(answer)

    async def close(self) -> None:
        """Give the connections back."""
        http, self._http, self._socket = self._http, None, None
        if http is not None:
            await http.aclose()

    async def _client(self) -> httpx.AsyncClient:
        socket = await asyncio.to_thread(_find_socket)
        if self._http is None or socket != self._socket:
            await self.close()
            self._http, self._socket = _connection(socket), socket
        return self._http


def _find_socket() -> Path:
    from jupyter_deploy.client import paths
    from jupyter_deploy.client.identity import Supervisor

    found = Supervisor.read(paths.home() / "supervisor.json")
    if found is None:
        raise SupervisorUnavailable(
            "No supervisor runs.", "Run `jupyter endpoint start`, or deploy a model."
        )
    return Path(found.socket)


def _connection(socket: Path) -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(
        # One connection for all who are logged in: no answer leaves a cookie for the next request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=httpx.AsyncHTTPTransport(uds=str(socket)),
        base_url="http://supervisor",
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


def _no_answer(error: httpx.HTTPError) -> SupervisorUnavailable:
    return SupervisorUnavailable(
        f"The supervisor does not answer ({type(error).__name__}).",
        "It is started again by itself; if not, run `jupyter endpoint start`.",
    )


def _checked(answer: httpx.Response) -> Answer:
    content_type = answer.headers.get("content-type", "").partition(";")[0]
    if content_type not in _JSON:
        return problem(
            SupervisorUnavailable("The supervisor gave an answer that is not JSON.", "Try again.")
        )
    return Answer(answer.status_code, content_type, answer.content)
