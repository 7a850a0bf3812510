"""/jupyter-deploy/api/…: the control API behind Jupyter's own rules.

Rule 1: authenticated first, authorised second, by Jupyter's identity provider and authoriser; XSRF
is checked by Jupyter before a method of this file runs.  Rule 2: `routes` says what is forwarded.
Rule 3: who asks is the person that Jupyter knows, not what the body says.
"""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import authenticated

from jupyter_deploy.errors import DeployError, NotFound, TooLarge, UsageError
from jupyter_deploy.server import routes
from jupyter_deploy.server.forward import Answer, Forwarder, json_body, problem
from jupyter_deploy.server.people import name_of

MAX_BODY_BYTES = 4_000_000
FORWARDER = "jupyter_deploy_forwarder"


class ControlHandler(ExtensionHandlerMixin, APIHandler):
    """Forwards a request to the supervisor."""

    auth_resource = "jupyter_deploy"

    @property
    def _track_activity(self) -> bool:
        # A sidebar that polls must not keep an idle server alive.
        return bool(self.request.method != "GET")

    @authenticated
    @authorized(action="read")
    async def get(self, path: str) -> None:
        """Look."""
        await self._forward(path)

    @authenticated
    async def post(self, path: str) -> None:
        """Change something; the table says which right it takes."""
        await self._change(path)

    @authenticated
    async def delete(self, path: str) -> None:
        """Abort a deploy, or stop serving an endpoint."""
        await self._change(path)

    async def _change(self, path: str) -> None:
        route = routes.find(self.request.method, path)
        # `authorized` keeps the action of its first call, so each action has a method of its own.
        if route is not None and route.right == "write":
            await self._with_write(path)
        else:
            await self._with_execute(path)

    @authorized(action="write")
    async def _with_write(self, path: str) -> None:
        await self._forward(path)

    @authorized(action="execute")
    async def _with_execute(self, path: str) -> None:
        await self._forward(path)

    async def _forward(self, path: str) -> None:
        try:
            route = self._route(path)
            body = self._body(route)
        except DeployError as error:
            self._answer(problem(error))
            return
        forwarder: Forwarder = self.settings[FORWARDER]
        self._answer(await forwarder.send(route.method, path, self._query(), body))

    def _route(self, path: str) -> routes.Route:
        route = routes.find(self.request.method, path)
        if route is None:
            raise NotFound("route of the control API", f"{self.request.method} {path}")
        return route

    def _query(self) -> dict[str, str]:
        found = ((name, self.get_query_argument(name, None)) for name in routes.QUERY)
        return {name: value for name, value in found if value is not None}

    def _body(self, route: routes.Route) -> bytes:
        if len(self.request.body) > MAX_BODY_BYTES:
            raise TooLarge(MAX_BODY_BYTES)
        if not route.signed:
            return bytes(self.request.body)
        told = json_body(self.request.body or b"{}")
        try:
            signed = routes.sign(told, name_of(self.current_user))
        except ValueError as error:
            raise UsageError("The body is not a JSON object.", "Send one.") from error
        return json.dumps(signed).encode()

    def _answer(self, answer: Answer) -> None:
        self.set_status(answer.status)
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.body, set_content_type=answer.content_type)
