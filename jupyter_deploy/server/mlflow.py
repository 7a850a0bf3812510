"""/jupyter-deploy/mlflow/…: the MLflow UI, behind Jupyter's own rules.

Rule 1: authenticated and authorised by Jupyter before anything is passed on; `mlflow_routes` says
what is, and with which right.  Rule 2: a header set of its own in both directions: MLflow gets no
cookie, token or XSRF value of Jupyter's, and sets no cookie here.  Rule 3: looking starts nothing;
while MLflow is not there, the page says so and looks again by itself.

MLflow's pages name everything relative to their own address and keep their place after the `#`, so
they need to know nothing of the base URL: none is rewritten here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from jupyter_deploy.server import mlflow_routes
from jupyter_deploy.server.forward import Forwarder
from jupyter_deploy.server.handlers import FORWARDER, MAX_BODY_BYTES

if TYPE_CHECKING:
    import httpx

ADDRESS = "jupyter_deploy_mlflow_address"
_ANSWER_SECONDS = 120.0
_LOOPBACK = "http://127.0.0.1:"
#: `<meta http-equiv="refresh">` would go to the place after the `#` of this very page, and stay.
_NOT_HERE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><title>MLflow</title>
<script>setTimeout(() => location.reload(), 1000)</script>
<body style="font-family: system-ui, sans-serif; margin: 3em; max-width: 40em">
<h1 style="font-size: 1.2em">MLflow is not running yet</h1>
<p>It takes some seconds to start, and this page opens it by itself. If nothing has started it,
press the MLflow button in the panel of deployed models, or run
<code>jupyter endpoint ui</code>.</p>
</body></html>"""


class MlflowHandler(ExtensionHandlerMixin, JupyterHandler):
    """Passes a request on to the MLflow UI, and its answer back piece by piece."""

    auth_resource = "jupyter_deploy"
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")

    @property
    def _track_activity(self) -> bool:
        # Pages of MLflow ask by themselves; opening one or changing something is a person.
        path = self.path_args[0] if self.path_args else ""
        return path == "" or mlflow_routes.right(str(self.request.method), path) == "execute"

    def check_xsrf_cookie(self) -> None:
        """The browser's word that the request is from a page of ours, in place of a token."""
        # Tornado calls this before Jupyter knows who asks; Jupyter calls it again then.
        if not hasattr(self, "_jupyter_current_user") or self.request.method in ("GET", "HEAD"):
            return
        if self.token_authenticated:
            return
        headers = self.request.headers
        site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
        if not mlflow_routes.same_site(site, origin, self.request.host):
            raise HTTPError(403, "This is not from a page of this server.")

    @authenticated
    async def get(self, path: str) -> None:
        """Look."""
        await self._by_right(path)

    head = post = patch = delete = get

    def _by_right(self, path: str) -> Awaitable[None]:
        needed = mlflow_routes.right(str(self.request.method), path)
        if needed is None:
            raise HTTPError(404, "This part of MLflow is not passed on.")
        # `authorized` keeps the action of its first call, so each action has a method of its own.
        work: Awaitable[None]
        work = self._with_read(path) if needed == "read" else self._with_execute(path)
        return work

    @authorized(action="read")
    async def _with_read(self, path: str) -> None:
        await self._pass_on(path)
        await self._end()

    @authorized(action="execute")
    async def _with_execute(self, path: str) -> None:
        await self._pass_on(path)
        # Whoever changes something may have moved an alias.
        await self._forwarder.send("POST", "registry-look", {}, b"")
        await self._end()

    @property
    def _forwarder(self) -> Forwarder:
        forwarder: Forwarder = self.settings[FORWARDER]
        return forwarder

    async def _pass_on(self, path: str) -> None:
        if len(self.request.body) > MAX_BODY_BYTES:
            raise HTTPError(413)
        address = await self._address()
        if address is None or not await self._answered(address, path):
            self.settings.pop(ADDRESS, None)
            self.set_status(503)
            self.write(_NOT_HERE)

    async def _address(self) -> str | None:
        """Where MLflow listens, when it does; asked once until it is gone from there."""
        if ADDRESS not in self.settings:
            answer = await self._forwarder.send("GET", "status", {}, b"")
            status: dict[str, Any] = json.loads(answer.body)
            url = status.get("registry", {}).get("ui_url")
            if not isinstance(url, str) or not url.startswith(_LOOPBACK):
                return None
            self.settings[ADDRESS] = url
        found: str = self.settings[ADDRESS]
        return found

    async def _answered(self, address: str, path: str) -> bool:
        """Whether MLflow has answered; its answer has gone out then."""
        import httpx

        query = mlflow_routes.query(self.request.query)
        headers = self.request.headers
        sent = {name: headers[name] for name in mlflow_routes.REQUEST_HEADERS if name in headers}
        # No proxy of the environment, no redirect, no cookie kept from one person to the next.
        async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False) as http:
            request = http.build_request(
                str(self.request.method),
                f"{address}/{path}{query}",
                headers=sent | {"Accept-Encoding": "identity"},
                content=self.request.body or None,
            )
            try:
                answer = await http.send(request, stream=True)
            except httpx.ConnectError:
                return False
            except httpx.HTTPError as error:
                why = f"MLflow gave no answer ({type(error).__name__}). Try again."
                raise HTTPError(502, why) from error
            try:
                await self._send_back(answer, path)
            finally:
                await answer.aclose()
        return True

    async def _send_back(self, answer: httpx.Response, path: str) -> None:
        import httpx

        self.set_status(answer.status_code)
        if not mlflow_routes.is_own_page(path):
            # A logged file may be a page with scripts, which get no hold of Jupyter's origin.
            policy = f"{self.content_security_policy}; sandbox allow-scripts"
            self.set_header("Content-Security-Policy", policy)
        self.clear_header("Content-Type")
        for name in mlflow_routes.ANSWER_HEADERS:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        try:
            async for piece in answer.aiter_raw():
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            # The browser has gone: what MLflow still has to say is not read.
            return
        except httpx.HTTPError:
            # MLflow has gone: what there is of its answer must not be taken for all of it.
            self._break_off()

    def _break_off(self) -> None:
        connection: Any = self.request.connection
        connection.close()

    async def _end(self) -> None:
        with contextlib.suppress(StreamClosedError):
            await self.finish()
