"""The route snapshot: all that a gateway needs to serve, in one file.

Rule 1: the supervisor writes it (atomically, 0600), gateways only read it; a gateway that finds
none or a broken one goes on with the last it could read.  Rule 2: it holds digests of keys, never
keys.  Encoded as JSON with msgspec; a field is added with a default, never removed or renamed.
"""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.keys import StoredKey


@dataclass(frozen=True, slots=True)
class ReplicaRoute:
    """One replica that is ready: `socket` is the path of its Unix socket."""

    replica_id: str
    socket: str


@dataclass(frozen=True, slots=True)
class VersionRoute:
    """One version that has replicas, or had them until now and will again.

    `example` is one row of the sample as the JSON body of a request that works (bytes as text), or
    None.  Sizes in bytes, times in seconds.
    """

    version: str
    mlflow_version: str
    contract: Contract
    replicas: tuple[ReplicaRoute, ...]
    example: str | None = None
    #: False: each request is a call of its own, because batching has been seen to change answers.
    batchable: bool = False
    timeout_seconds: float = 30.0
    max_body_bytes: int = 100_000_000
    #: The bins in which predictions that are numbers are counted: those of the baseline.
    bins: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointRoute:
    """One endpoint; `active` is the version that unpinned requests get, if any."""

    name: str
    active: str | None
    versions: tuple[VersionRoute, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment.  Invariant: `sequence` grows with every snapshot written."""

    sequence: int
    #: The address that callers use, without a trailing slash: http://127.0.0.1:8900
    url: str
    endpoints: tuple[EndpointRoute, ...] = ()
    keys: tuple[StoredKey, ...] = ()
    #: What `/version` answers: MLflow's scoring client asks for the version of MLflow.
    mlflow_version: str = ""
