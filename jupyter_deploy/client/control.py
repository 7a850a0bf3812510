"""The one client of the control API: notebook, shell and Jupyter server all use this.

Rule 1: one method for each route, typed with `client.models`; no method does more than one request.
Rule 2: what the supervisor refuses comes back as the error class that it raised there; that nobody
answers is SupervisorUnavailable.  Rule 3: every call has a deadline.
"""

from __future__ import annotations

from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from jupyter_deploy.client.figures import EndpointMetrics
from jupyter_deploy.client.models import (
    AuditEntry,
    BeginDeploy,
    ChangeTraffic,
    CreateKey,
    DeployStatus,
    DeployTicket,
    EndpointStatus,
    Event,
    IssuedKey,
    KeyStatus,
    RegistryUi,
    RequestFailure,
    RevokeKey,
    RotateKey,
    Status,
    Stop,
    SubmitDeploy,
    TrafficChanged,
    TryAnswer,
    TryForm,
)
from jupyter_deploy.client.upgrades import Upgrade, Upgraded
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.core.registered import RegistryModel
from jupyter_deploy.errors import DeployError, SupervisorUnavailable

#: What an answer may take beside the time that a caller asked to wait.
CALL_SECONDS = 30.0
#: A change of traffic to a version without a process starts one first.
TRAFFIC_SECONDS = 300.0
#: The MLflow UI imports for many seconds before it listens.
UI_SECONDS = 90.0
#: A gateway that is replaced finishes what it has, and there may be several.
UPGRADE_SECONDS = 600.0

_T = TypeVar("_T")
Parameters = dict[str, str | int | float]


class ControlClient:
    """The control API of the supervisor that listens on `socket`.

    May be used from several threads.  Close it, or use it as a context manager.
    """

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        # No TLS on a Unix socket: an empty context spares reading the certificates (50 ms).
        transport = httpx.HTTPTransport(uds=str(socket), verify=SSLContext(PROTOCOL_TLS_CLIENT))
        # trust_env is off: a proxy from the environment has no business with a local socket.
        self._http = httpx.Client(
            transport=transport, base_url="http://supervisor", timeout=CALL_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # --- the whole ------------------------------------------------------------------------------

    def ping(self, seconds: float = 2.0) -> int:
        """The pid of the supervisor that answers, within `seconds`."""
        answer = self._call("GET", "/api/ping", dict[str, int], timeout=seconds)
        return answer["pid"]

    def status(self) -> Status:
        """Everything there is."""
        return self._call("GET", "/api/status", Status)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the control API."""
        return self._call("GET", "/api/openapi.json", dict[str, Any])

    def events(self, after: int = 0, wait: float = 0.0) -> list[Event]:
        """What happened after event number `after`; waits up to `wait` seconds for the first."""
        query: Parameters = {"after": after, "wait": wait}
        timeout = CALL_SECONDS + wait
        return self._call("GET", "/api/events", list[Event], query=query, timeout=timeout)

    def registry_ui(self) -> RegistryUi:
        """The URL of the MLflow UI, which is started if need be."""
        return self._call("POST", "/api/registry-ui", RegistryUi, timeout=UI_SECONDS)

    def registry_models(self) -> list[RegistryModel]:
        """The registered models of the registry, with their newest versions."""
        return self._call("GET", "/api/registry-models", list[RegistryModel], timeout=UI_SECONDS)

    def look_at_registry(self) -> None:
        """The registry may have changed: the supervisor looks soon."""
        self._call("POST", "/api/registry-look", dict[str, Any])

    def stop(self, origin: Origin) -> None:
        """Ask the supervisor to stop everything, itself included; it does so after its answer."""
        self._call("POST", "/api/stop", dict[str, Any], body=Stop(origin))

    def hand_over(self, origin: Origin) -> None:
        """Ask the supervisor to end, and to leave all that it keeps to the next one."""
        self._call("POST", "/api/hand-over", dict[str, Any], body=Upgrade(origin))

    def upgrade(self, origin: Origin) -> Upgraded:
        """Have gateways of the code that is installed now take over.  Raises UpgradeFailed."""
        body = Upgrade(origin)
        return self._call("POST", "/api/upgrade", Upgraded, body=body, timeout=UPGRADE_SECONDS)

    # --- endpoints ------------------------------------------------------------------------------

    def endpoints(self) -> list[EndpointStatus]:
        """All endpoints."""
        return self._call("GET", "/api/endpoints", list[EndpointStatus])

    def endpoint(self, name: str) -> EndpointStatus:
        """One endpoint.  Raises NotFound."""
        return self._call("GET", _endpoint(name), EndpointStatus)

    def undeploy(self, name: str, origin: Origin) -> EndpointStatus:
        """Stop serving `name`; its history and its keys stay."""
        path = _endpoint(name)
        return self._call("DELETE", path, EndpointStatus, body={"origin": origin})

    def rollback(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """Give all traffic to the version before, or to `change.version`."""
        path = _endpoint(name, "rollback")
        return self._call("POST", path, TrafficChanged, body=change, timeout=TRAFFIC_SECONDS)

    def promote(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """Give all traffic to the standby, or to `change.version`."""
        path = _endpoint(name, "promote")
        return self._call("POST", path, TrafficChanged, body=change, timeout=TRAFFIC_SECONDS)

    def put_alias_back(self, name: str, origin: Origin) -> EndpointStatus:
        """Have MLflow's alias `active` name what serves, wherever it was moved."""
        path, body = _endpoint(name, "put-alias-back"), {"origin": origin}
        return self._call("POST", path, EndpointStatus, body=body, timeout=UI_SECONDS)

    def form(self, name: str) -> TryForm:
        """What the active version takes, and a row of its sample."""
        return self._call("GET", _endpoint(name, "form"), TryForm)

    def try_it(self, name: str, body: dict[str, Any]) -> TryAnswer:
        """The active version's answer to `body`, asked with the notebook's key."""
        path = _endpoint(name, "try")
        return self._call("POST", path, TryAnswer, body=body, timeout=TRAFFIC_SECONDS)

    def errors(self, name: str, limit: int = 50) -> list[RequestFailure]:
        """The last requests that failed on our side, newest first."""
        path = _endpoint(name, "errors")
        return self._call("GET", path, list[RequestFailure], query={"limit": limit})

    def logs(self, name: str, version: str | None = None, lines: int = 50) -> list[str]:
        """The last lines that the replicas of `version` (the active one) have printed."""
        query: Parameters = {"lines": lines}
        if version is not None:
            query["version"] = version
        return self._call("GET", _endpoint(name, "logs"), list[str], query=query)

    def metrics(self, name: str, window: float = 3600.0) -> EndpointMetrics:
        """What the endpoint did in the last `window` seconds."""
        query: Parameters = {"window": window}
        return self._call("GET", _endpoint(name, "metrics"), EndpointMetrics, query=query)

    def audit(self, name: str | None = None) -> list[AuditEntry]:
        """Who changed what and when, newest first: of one endpoint, or of all."""
        path = "/api/audit" if name is None else _endpoint(name, "audit")
        return self._call("GET", path, list[AuditEntry])

    # --- deploys --------------------------------------------------------------------------------

    def begin_deploy(self, name: str, begin: BeginDeploy) -> DeployTicket:
        """Take the endpoint and a version number.  Raises DeployInProgress or VersionExists."""
        return self._call("POST", _endpoint(name, "deploys"), DeployTicket, body=begin)

    def submit_deploy(self, deploy_id: str, submit: SubmitDeploy) -> DeployStatus:
        """The staging folder is complete: the supervisor goes on from here."""
        path = f"{_deploy(deploy_id)}/submit"
        return self._call("POST", path, DeployStatus, body=submit, timeout=TRAFFIC_SECONDS)

    def abort_deploy(self, deploy_id: str) -> DeployStatus:
        """End the deploy and remove what it left."""
        return self._call("DELETE", _deploy(deploy_id), DeployStatus)

    def deploy_status(self, deploy_id: str, after: int = -1, wait: float = 0.0) -> DeployStatus:
        """The status once its revision is higher than `after`, or after `wait` seconds."""
        query: Parameters = {"after": after, "wait": wait}
        timeout = CALL_SECONDS + wait
        return self._call("GET", _deploy(deploy_id), DeployStatus, query=query, timeout=timeout)

    # --- keys -----------------------------------------------------------------------------------

    def keys(self, endpoint: str | None = None) -> list[KeyStatus]:
        """The keys that open `endpoint`, or all."""
        query: Parameters = {} if endpoint is None else {"endpoint": endpoint}
        return self._call("GET", "/api/keys", list[KeyStatus], query=query)

    def create_key(self, create: CreateKey) -> IssuedKey:
        """Mint a key into a 0600 file; the gateway knows it when this returns."""
        return self._call("POST", "/api/keys", IssuedKey, body=create)

    def rotate_key(self, key_id: str, rotate: RotateKey) -> IssuedKey:
        """A new secret for the same key; the old one is good for `rotate.overlap_seconds` more."""
        return self._call("POST", f"{_key(key_id)}/rotate", IssuedKey, body=rotate)

    def revoke_key(self, key_id: str, revoke: RevokeKey) -> KeyStatus:
        """The key opens nothing any more when this returns."""
        return self._call("POST", f"{_key(key_id)}/revoke", KeyStatus, body=revoke)

    # --- one request ----------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        answer: type[_T],
        *,
        body: object = None,
        query: Parameters | None = None,
        timeout: float = CALL_SECONDS,
    ) -> _T:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"content-type": "application/json"}
        try:
            response = self._http.request(
                method, path, content=content, headers=headers, params=query, timeout=timeout
            )
        except httpx.TimeoutException as error:
            raise _silent(timeout) from error
        except httpx.TransportError as error:
            raise _nobody() from error
        if response.is_error:
            raise _refused(response)
        return msgspec.json.decode(response.content, type=answer)


def _endpoint(name: str, noun: str = "") -> str:
    path = f"/api/endpoints/{endpoint_name(name)}"
    return f"{path}/{noun}" if noun else path


def _deploy(deploy_id: str) -> str:
    return f"/api/deploys/{quote(deploy_id, safe='')}"


def _key(key_id: str) -> str:
    return f"/api/keys/{quote(key_id, safe='')}"


def _refused(response: httpx.Response) -> DeployError:
    try:
        document = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        detail = f"The supervisor answered {response.status_code} without saying why."
        return DeployError(detail, "Its log says more: logs/supervisor.log in its home.")
    return DeployError.from_problem(document)


def _nobody() -> SupervisorUnavailable:
    return SupervisorUnavailable(
        "The supervisor does not answer: it is not running, or it has just stopped.",
        "Run `jupyter endpoint start`.",
    )


def _silent(seconds: float) -> SupervisorUnavailable:
    return SupervisorUnavailable(
        f"The supervisor has not answered within {seconds:g} s.",
        "Look at `jupyter endpoint status`, then run the command again.",
    )
