"""Who answers under /jupyter-deploy/api/: the versions that the lab extension is held against.

Rule: `API` grows when the lab extension of an older release could misread an answer.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import authenticated

from jupyter_deploy import __version__

API = 1


@dataclass(frozen=True, slots=True)
class About:
    """The server extension: its release, its API's number, its Python and the root of its files."""

    version: str
    api: int
    python: str
    root: str


class AboutHandler(ExtensionHandlerMixin, APIHandler):
    """GET: an `About`."""

    auth_resource = "jupyter_deploy"
    _track_activity = False

    @authenticated
    @authorized(action="read")
    def get(self) -> None:
        """Say who answers."""
        root = str(getattr(self.contents_manager, "root_dir", ""))
        self.finish(json.dumps(asdict(About(__version__, API, sys.executable, root))))
