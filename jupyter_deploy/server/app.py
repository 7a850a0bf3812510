"""The server extension `jupyter_deploy`.

Rule 1: it starts the supervisor and never stops it: endpoints outlive the Jupyter server.  Rule 2:
nothing here blocks the server's loop or makes its start or stop fail.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool

from jupyter_deploy.server.about import AboutHandler
from jupyter_deploy.server.events import SCHEMA, SCHEMA_FILE, Change, Herald
from jupyter_deploy.server.forward import Forwarder
from jupyter_deploy.server.handlers import FORWARDER, ControlHandler
from jupyter_deploy.server.keyfile import SecretHandler
from jupyter_deploy.server.mlflow import MlflowHandler
from jupyter_deploy.server.registry_handlers import (
    REGISTRY_DEPLOYS,
    REGISTRY_TELL,
    RegistryDeployHandler,
    RegistryDeploysHandler,
)
from jupyter_deploy.server.watch import Watch

#: What the end of the extension may cost the end of the server.
STOP_SECONDS = 1.0


class DeployExtension(ExtensionApp):
    """Configured in jupyter_deploy_config.py as `c.DeployExtension`."""

    name = "jupyter_deploy"
    extension_url = "/lab"
    handlers: ClassVar[list[tuple[str, type]]] = [
        (r"/jupyter-deploy/api/about", AboutHandler),
        (r"/jupyter-deploy/api/secret", SecretHandler),
        (r"/jupyter-deploy/api/registry-deploys", RegistryDeploysHandler),
        (r"/jupyter-deploy/api/registry-deploys/([0-9a-f]{16})", RegistryDeployHandler),
        (r"/jupyter-deploy/api/(.*)", ControlHandler),
        (r"/jupyter-deploy/mlflow/(.*)", MlflowHandler),
    ]

    autostart = Bool(
        default_value=True,
        help="Start the supervisor with the Jupyter server, and again when it has died.",
    ).tag(config=True)

    _watch: Watch | None = None
    _herald: Herald | None = None

    def _config_file_name_default(self) -> str:
        return "jupyter_deploy_config"

    def initialize_settings(self) -> None:
        """Put what the handlers use where they find it."""
        self.settings[FORWARDER] = Forwarder()
        self.settings[REGISTRY_TELL] = lambda endpoint: self._tell(
            Change("registry-deploy", endpoint)
        )
        # Before any browser subscribes: it hears only of the schemas that are known by then.
        self.serverapp.event_logger.register_event_schema(SCHEMA_FILE)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        if self.autostart:
            self._watch = Watch(serverapp.log)
            self._watch.start()
        self._herald = Herald(self.settings[FORWARDER], self._tell, serverapp.log)
        self._herald.start()

    def _tell(self, change: Change) -> None:
        data = {"kind": change.kind, "endpoint": change.endpoint}
        self.serverapp.event_logger.emit(schema_id=SCHEMA, data=data)

    async def stop_extension(self) -> None:
        """Stop watching; the supervisor and everything it keeps go on.  Never raises."""
        try:
            await asyncio.wait_for(self._end(), STOP_SECONDS)
        except Exception as error:  # noqa: BLE001 - an exception here would hang the server's stop
            self.log.warning("jupyter_deploy: stopping: %r", error)

    async def _end(self) -> None:
        if self._herald is not None:
            await self._herald.end()
        if self._watch is not None:
            await asyncio.to_thread(self._watch.end, STOP_SECONDS / 2)
        if REGISTRY_DEPLOYS in self.settings:
            await self.settings[REGISTRY_DEPLOYS].leave()
        await self.settings[FORWARDER].close()
