"""What the control API takes and gives.

Plain frozen dataclasses: msgspec encodes and decodes them in the client, pydantic in the
supervisor's FastAPI app, so that both sides and the OpenAPI document agree by construction.
Times are seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jupyter_deploy.core.aliases import MovedAlias
from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.manifest import Manifest, Origin
from jupyter_deploy.core.versions import Bump

#: From this share of requests that fail on our side on, an endpoint asks for a look.
FAILING_SHARE = 0.01


@dataclass(frozen=True)
class ReplicaStatus:
    """One replica; `rss_bytes` is None until it has answered a heartbeat."""

    replica_id: str
    pid: int | None
    state: str
    restarts: int = 0
    rss_bytes: int | None = None


@dataclass(frozen=True)
class VersionStatus:
    """One version in the history of an endpoint.

    `why` says why it has this number or state; `reason` says what is wrong with one that has failed
    or fails now, and `log` holds the last lines that it wrote.
    It has from `least_replicas` to `most_replicas` replicas, as the load needs.  `percent` of the
    requests that ask for no version go to it, or a copy of them where it is a shadow.
    `metrics` are those of its MLflow run, as far as they have been read.
    """

    version: str
    state: str
    mlflow_version: str
    mlflow_uri: str
    created_at: float
    origin: Origin
    why: str = ""
    reason: str = ""
    log: tuple[str, ...] = ()
    replicas: tuple[ReplicaStatus, ...] = ()
    previous: str | None = None
    least_replicas: int = 1
    most_replicas: int = 1
    metrics: dict[str, float] = field(default_factory=dict)
    percent: float = 0.0


@dataclass(frozen=True)
class Recent:
    """What an endpoint did lately: a rate of the last seconds, shares of the last minute.

    `error_share` counts callers' errors and ours, `failed_share` ours alone.  `line` is requests
    per second in the last minutes, one for each `step_seconds`; empty for none.
    """

    per_second: float
    p95_ms: float | None
    error_share: float | None
    step_seconds: int
    line: tuple[float, ...] = ()
    failed_share: float | None = None


@dataclass(frozen=True)
class EndpointStatus:
    """One endpoint; `state` is "serving", "degraded" or "stopped".

    Degraded: no replica of the active version is ready, or each ends again soon after it was.

    `example` is the JSON body of a request that the active version answers, where one is known;
    `moved_alias` is where somebody has put MLflow's alias `active`, until that is settled.
    """

    name: str
    url: str
    state: str
    active: str | None
    standby: str | None
    generation: int
    versions: tuple[VersionStatus, ...]
    key_file: str | None = None
    deploying: str | None = None
    example: str | None = None
    recent: Recent | None = None
    moved_alias: MovedAlias | None = None

    @property
    def seen_state(self) -> str:
        """The state as people see it: "failing in part" where it serves and requests fail."""
        failed = self.recent.failed_share if self.recent else None
        fails = self.state == "serving" and (failed or 0.0) >= FAILING_SHARE
        return "failing in part" if fails else self.state


@dataclass(frozen=True)
class SupervisorStatus:
    """The supervisor's own process; `note` says what it had to mend when it started."""

    pid: int
    version: str
    started_at: float
    home: str
    note: str = ""


@dataclass(frozen=True)
class GatewayStatus:
    """The gateway's processes, `processes` of them when all run.

    `note` says so when the port is not the one that was asked for.
    """

    pids: tuple[int, ...]
    url: str
    note: str = ""
    processes: int = 1


@dataclass(frozen=True)
class RegistryStatus:
    """MLflow's tracking URI, the UI's URL when it runs, and the command that opens it."""

    tracking_uri: str
    ui_url: str | None
    open_with: str
    pending: int = 0


@dataclass(frozen=True)
class Status:
    """All there is: `jupyter endpoint status --json`."""

    supervisor: SupervisorStatus
    gateway: GatewayStatus
    registry: RegistryStatus
    endpoints: tuple[EndpointStatus, ...]


@dataclass(frozen=True)
class DeployOptions:
    """What the person asked for; None means the default or what the endpoint has now.

    With `most_replicas` there are from `replicas` to so many, as the load needs.
    """

    version: str | None = None
    bump: Bump | None = None
    stage: bool = False
    replicas: int | None = None
    timeout_seconds: float | None = None
    most_replicas: int | None = None
    compile: bool = False


@dataclass(frozen=True)
class BeginDeploy:
    """Body of POST /api/endpoints/{name}/deploys: take the endpoint and a version number.

    `python` and `environment` are those of the manifest to come: a process in which replicas of it
    start fast is prepared meanwhile.  `deploy_id` (16 hexadecimal digits) is chosen by the caller,
    who can then give up a deploy whose ticket has not arrived.
    """

    contract: Contract
    origin: Origin
    options: DeployOptions = field(default_factory=DeployOptions)
    python: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    deploy_id: str = ""


@dataclass(frozen=True)
class DeployTicket:
    """The right to deploy `version`, until it is submitted, aborted, or its holder is dead.

    The pipeline fills `staging` (a new 0700 folder, laid out as in core.manifest).  `why` says why
    the version has this number; `breaking` lists what an older caller would notice.
    """

    deploy_id: str
    name: str
    version: str
    staging: str
    tracking_uri: str
    previous: str | None
    why: str
    breaking: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubmitDeploy:
    """Body of POST /api/deploys/{deploy_id}/submit: the staging folder is complete."""

    manifest: Manifest


@dataclass(frozen=True)
class StepStatus:
    """One named step of a deploy: state is "waiting", "running", "done", "skipped" or "failed"."""

    name: str
    state: str
    seconds: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class DeployStatus:
    """How far a deploy is; `revision` grows with each change, for waiting on it.

    `state` is "open" (the kernel is at work), "running" (the supervisor is), "done", "failed" or
    "aborted"; `problem` is the error as a problem document when it failed.
    """

    deploy_id: str
    name: str
    version: str
    state: Literal["open", "running", "done", "failed", "aborted"]
    revision: int
    steps: tuple[StepStatus, ...]
    problem: dict[str, Any] | None = None
    #: Why a compiled form that was to be served is not; the model is served as is.
    not_compiled: str = ""


@dataclass(frozen=True)
class ChangeTraffic:
    """Body of POST /api/endpoints/{name}/rollback and .../promote.

    `version` is where to go (None: the version before, or the standby); with `generation` the
    change is refused (409) when the endpoint has changed since.
    """

    origin: Origin
    version: str | None = None
    generation: int | None = None


@dataclass(frozen=True)
class TrafficChanged:
    """`seconds` is the time from the request to the word of every gateway that it routes anew.

    `note` says so when a gateway did not answer, and had to be replaced for it.
    """

    name: str
    version: str
    previous: str | None
    generation: int
    seconds: float
    warm: bool
    note: str = ""


@dataclass(frozen=True)
class CreateKey:
    """Body of POST /api/keys; `endpoints` holds names; times in seconds."""

    consumer: str
    endpoints: tuple[str, ...]
    origin: Origin
    rate: str | None = None
    expires_seconds: float | None = None


@dataclass(frozen=True)
class RotateKey:
    """Body of POST /api/keys/{key_id}/rotate: the old secret is good for `overlap_seconds` more."""

    origin: Origin
    overlap_seconds: float = 86400.0


@dataclass(frozen=True)
class RevokeKey:
    """Body of POST /api/keys/{key_id}/revoke."""

    origin: Origin


@dataclass(frozen=True)
class KeyStatus:
    """A key without its secret."""

    key_id: str
    consumer: str
    endpoints: tuple[str, ...]
    created_at: float
    rate: str | None
    expires_at: float | None
    previous_until: float | None
    revoked_at: float | None


@dataclass(frozen=True)
class IssuedKey:
    """A new key or secret: the supervisor has written it to `file` (0600) and nowhere else."""

    key: KeyStatus
    file: str


@dataclass(frozen=True)
class RequestFailure:
    """One request that failed on our side, by its id; `trace` is the model's own traceback."""

    request_id: str
    at: float
    version: str
    consumer: str
    code: str
    message: str
    trace: str


@dataclass(frozen=True)
class AuditEntry:
    """One change: who, what, when.  `generation` is the endpoint's after it."""

    at: float
    endpoint: str
    generation: int
    action: str
    detail: str
    origin: Origin


@dataclass(frozen=True)
class Event:
    """Something that happened, in one sentence.  `number` grows by one."""

    number: int
    at: float
    endpoint: str
    version: str
    kind: str
    message: str


@dataclass(frozen=True)
class RegistryUi:
    """The MLflow UI, on loopback."""

    url: str
    pid: int


@dataclass(frozen=True)
class TryForm:
    """What the active version takes: its contract, and the body of a request that works."""

    name: str
    version: str
    contract: Contract
    example: str | None


@dataclass(frozen=True)
class TryAnswer:
    """An answer of an endpoint as it came: a problem document where `status` is not 200.

    `timing` holds milliseconds by the names of Server-Timing.
    """

    status: int
    body: dict[str, Any]
    version: str
    request_id: str
    seconds: float
    timing: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """Body of POST /api/stop: stop everything; it starts again as it was."""

    origin: Origin
