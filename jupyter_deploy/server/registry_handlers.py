"""/jupyter-deploy/api/registry-deploys: deploying a registered model without a notebook.

Rule: it starts a process that runs the model's code, so it takes the right `execute`, behind XSRF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import authenticated

from jupyter_deploy.errors import DeployError
from jupyter_deploy.server.forward import json_body, problem
from jupyter_deploy.server.people import name_of

if TYPE_CHECKING:
    from jupyter_deploy.server.registry_deploys import RegistryDeploys

#: In the settings: the `RegistryDeploys`, once there is one, and what it tells of changes.
REGISTRY_DEPLOYS = "jupyter_deploy_registry_deploys"
REGISTRY_TELL = "jupyter_deploy_registry_tell"


class _Handler(ExtensionHandlerMixin, APIHandler):
    auth_resource = "jupyter_deploy"

    @property
    def _track_activity(self) -> bool:
        # A sidebar that looks must not keep an idle server alive.
        return bool(self.request.method != "GET")

    @property
    def _deploys(self) -> RegistryDeploys:
        # Imported late: what it needs would slow the start of every Jupyter server.
        from jupyter_deploy.server.registry_deploys import RegistryDeploys

        if REGISTRY_DEPLOYS not in self.settings:
            self.settings[REGISTRY_DEPLOYS] = RegistryDeploys(self.settings[REGISTRY_TELL])
        deploys: RegistryDeploys = self.settings[REGISTRY_DEPLOYS]
        return deploys

    def _say(self, answer: Any, status: int = 200) -> None:
        import msgspec

        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(answer), set_content_type="application/json")

    def _refuse(self, error: DeployError) -> None:
        answer = problem(error)
        self.set_status(answer.status)
        self.finish(answer.body, set_content_type=answer.content_type)


class RegistryDeploysHandler(_Handler):
    """GET: those that run or ran; POST a `RegistryOrder`: begin one."""

    @authenticated
    @authorized(action="read")
    async def get(self) -> None:
        """How far they are, newest first."""
        self._say(self._deploys.known())

    @authenticated
    @authorized(action="execute")
    async def post(self) -> None:
        """Begin to deploy a registered model."""
        from jupyter_deploy.server.registry_deploys import RegistryOrder

        try:
            order = RegistryOrder.read(json_body(self.request.body))
            self._say(await self._deploys.start(order, name_of(self.current_user)), 202)
        except DeployError as error:
            self._refuse(error)


class RegistryDeployHandler(_Handler):
    """DELETE: cancel one that runs, or forget one that has ended."""

    @authenticated
    @authorized(action="execute")
    async def delete(self, deploy_id: str) -> None:
        """Cancel or forget."""
        try:
            self._deploys.end(deploy_id)
        except DeployError as error:
            self._refuse(error)
            return
        self._say({})
