"""The control API: HTTP over a Unix socket, described by OpenAPI at /api/openapi.json.

Rule: a route reads its arguments, calls one method of a part, and answers; it never decides.
"""

from __future__ import annotations

from fastapi import FastAPI

from jupyter_deploy import __version__
from jupyter_deploy.supervisor.api import deploys, endpoints, keys, problems, system
from jupyter_deploy.supervisor.service import Supervisor

__all__ = ["build"]


def build(supervisor: Supervisor) -> FastAPI:
    """The application that serves `supervisor`."""
    app = FastAPI(
        title="jupyter_deploy control API",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.supervisor = supervisor
    for noun in (system, endpoints, deploys, keys):
        app.include_router(noun.router)
    problems.install(app)
    return app
