"""Everything that is no prediction: health, versions, metadata, documentation and metrics.

Rule 1: what holds data or says what exists needs a key; `ping`, `version` and `ready` of an
endpoint that exists do not, because clients ask for them without one.  Rule 2: an unknown endpoint
gets 401 without a key, and with one what its scope says, so that nobody learns which ones exist.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from jupyter_deploy import __version__
from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.errors import (
    DeployError,
    GatewayFailed,
    MethodNotAllowed,
    NoReplica,
    UnknownRoute,
)
from jupyter_deploy.gateway import docs, metrics, openapi, problems, v2
from jupyter_deploy.gateway.names import MORE_HEADERS, REQUEST_ID
from jupyter_deploy.gateway.routes import Endpoint, Routes
from jupyter_deploy.gateway.service import VersionService

Handler = Callable[[Request], Awaitable[Response]]
_PATHS = (
    "Predictions go to POST /endpoints/NAME/invocations; GET /endpoints/NAME/docs says the rest."
)
_PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"


class Pages:
    """The handlers; `app` is the application that routes to them."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self.app = Starlette(
            routes=[*self._endpoint_routes(), *self._model_routes(), *self._shared_routes()],
            exception_handlers={
                DeployError: _on_error,
                HTTPException: _on_http_error,
                Exception: _on_internal_error,
            },
        )
        # A path is served or it is not; a redirect would lose the method's meaning and the key.
        self.app.router.redirect_slashes = False

    def _endpoint_routes(self) -> list[Route]:
        pages: dict[str, Handler] = {
            "ping": self.ping,
            "health": self.ping,
            "version": self.version,
            "openapi.json": self.openapi,
            "docs": self.docs,
        }
        roots = ("/endpoints/{name}", "/endpoints/{name}/versions/{version}")
        own = [Route(f"{root}/{path}", page) for root in roots for path, page in pages.items()]
        return [*own, *_all_methods("/endpoints/{name}{rest:path}", self.nothing)]

    def _model_routes(self) -> list[Route]:
        roots = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
        ready = [Route(f"{root}/ready", self.model_ready) for root in roots]
        about = [Route(root, self.model) for root in roots]
        return [*ready, *about, *_all_methods("/v2/models/{name}{rest:path}", self.nothing)]

    def _shared_routes(self) -> list[Route]:
        return [
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            Route("/metrics", self.metrics),
        ]

    # --- without a key --------------------------------------------------------------------------

    async def live(self, _request: Request) -> Response:
        """The gateway answers."""
        return _json({"live": True})

    async def ready(self, _request: Request) -> Response:
        """The gateway has routes."""
        if self._routes.snapshot.sequence < 0:
            raise NoReplica
        return _json({"ready": True})

    async def server(self, _request: Request) -> Response:
        """What serves here, as V2 metadata."""
        return _json(
            {"name": v2.PLATFORM, "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    async def ping(self, request: Request) -> Response:
        """A request would be answered now."""
        if not self._service(request, public=True).ready:
            raise NoReplica
        return PlainTextResponse("\n")

    async def version(self, request: Request) -> Response:
        """The version of MLflow, which its scoring client asks for."""
        self._service(request, public=True)
        return PlainTextResponse(self._routes.snapshot.mlflow_version)

    async def model_ready(self, request: Request) -> Response:
        """Like ping, as V2 asks for it."""
        service = self._service(request, public=True)
        if not service.ready:
            raise NoReplica
        return _json({"name": service.endpoint, "ready": True})

    # --- with a key -----------------------------------------------------------------------------

    async def model(self, request: Request) -> Response:
        """V2 metadata of a model."""
        service = self._service(request)
        endpoint = self._routes.endpoints[service.endpoint]
        return _json(v2.metadata(endpoint.name, service, list(endpoint.versions)))

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI document of an endpoint or a version."""
        service = self._service(request)
        return _json(self._document(request, service))

    async def docs(self, request: Request) -> Response:
        """The same for people."""
        service = self._service(request)
        page = docs.page(self._document(request, service), service.route, service.endpoint)
        return HTMLResponse(page, headers=docs.HEADERS)

    async def metrics(self, request: Request) -> Response:
        """Prometheus series of the endpoints that the key opens."""
        key = self._caller(request)
        everything, pids = await self._routes.all_counts()
        counts = [one for one in everything if one.endpoint in key.endpoints]
        return Response(metrics.exposition(counts, pids), media_type=_PROMETHEUS)

    async def nothing(self, request: Request) -> Response:
        """No such endpoint, version or path below one."""
        name = request.path_params["name"]
        self._routes.keyring.check_scope(self._caller(request), name)
        raise UnknownRoute(request.url.path, _PATHS)

    def _document(self, request: Request, service: VersionService) -> dict[str, object]:
        root = f"/endpoints/{service.endpoint}"
        if "version" in request.path_params:
            root = f"{root}/versions/{service.route.version}"
        return openapi.document(service.endpoint, service.route, self._routes.snapshot.url, root)

    def _service(self, request: Request, *, public: bool = False) -> VersionService:
        name = request.path_params["name"]
        endpoint: Endpoint | None = self._routes.endpoints.get(name)
        version = request.path_params.get("version")
        known = endpoint is not None and (
            endpoint.active is not None if version is None else version in endpoint.versions
        )
        if not (public and known):
            self._routes.keyring.check_scope(self._caller(request), name)
        if endpoint is None:
            raise UnknownRoute(f"The endpoint {name[:63]!r}")
        return endpoint.service(version)

    def _caller(self, request: Request) -> StoredKey:
        headers = dict(request.scope["headers"])
        key = self._routes.keyring.caller(headers, time.time())
        limits, over = self._routes.admission.admit(key, time.monotonic())
        request.scope[MORE_HEADERS] += limits
        if over is not None:
            raise over
        return key


def _all_methods(path: str, handler: Handler) -> list[Route]:
    return [Route(path, handler, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])]


def _json(document: object) -> Response:
    return Response(msgspec.json.encode(document), media_type="application/json")


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DeployError), "registered for this class"
    tensors = request.url.path.startswith("/v2")
    content = problems.problem(error, request.scope[REQUEST_ID], tensors=tensors)
    response = Response(content, error.status, media_type=problems.CONTENT_TYPE.decode())
    for name, value in problems.headers(error):
        response.headers.append(name.decode(), value.decode("latin-1"))
    return response


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for this class"
    allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    if not allowed:
        return await _on_error(request, UnknownRoute(request.url.path, _PATHS))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
    return await _on_error(request, MethodNotAllowed(request.method, allowed))


async def _on_internal_error(request: Request, _error: Exception) -> Response:
    return await _on_error(request, GatewayFailed())
