"""Statements that read: one function each.  Rows become the types that the parts share."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from jupyter_deploy.client.models import AuditEntry, DeployOptions, DeployStatus, Event
from jupyter_deploy.core.keys import StoredKey
from jupyter_deploy.core.manifest import Manifest, Origin
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.supervisor.state import Deploy, Endpoint, Key, State, Version
from jupyter_deploy.supervisor.store.writing import LEFT


def state(connection: Connection, manifests: dict[int, Manifest]) -> State:
    """Everything; `manifests` keeps those that have been read, but for what is still deployed.

    Until then a manifest may change, and its number be given again where this is not committed.
    """
    versions: dict[str, tuple[Version, ...]] = {}
    for version in _versions(connection, manifests):
        versions[version.endpoint] = (*versions.get(version.endpoint, ()), version)
    return State(
        endpoints={one.name: one for one in _endpoints(connection)},
        versions=versions,
        keys=tuple(_keys(connection)),
        deploys=tuple(_deploys(connection)),
    )


def _endpoints(connection: Connection) -> list[Endpoint]:
    rows = connection.execute(
        text(
            """
            SELECT name, generation, active, standby, history, registered
            FROM endpoints ORDER BY name
            """
        )
    )
    return [
        Endpoint(
            name=row.name,
            generation=row.generation,
            traffic=Traffic(row.active, row.standby, _texts(row.history)),
            registered=row.registered,
        )
        for row in rows
    ]


def _versions(connection: Connection, manifests: dict[int, Manifest]) -> list[Version]:
    rows = connection.execute(
        text(
            """
            SELECT number, endpoint, version, fate, why, reason, log, created_at, origin,
                   previous, replicas, timeout_seconds, most_replicas
            FROM versions ORDER BY number
            """
        )
    )
    return [_version(row, _manifest(connection, row, manifests)) for row in rows]


def _version(row: Row[Any], manifest: Manifest) -> Version:
    return Version(
        number=row.number,
        endpoint=row.endpoint,
        version=row.version,
        fate=row.fate,
        why=row.why,
        reason=row.reason,
        log=_texts(row.log),
        created_at=row.created_at,
        origin=_origin(row.origin),
        previous=row.previous,
        replicas=row.replicas,
        timeout_seconds=row.timeout_seconds,
        manifest=manifest,
        most_replicas=row.most_replicas,
    )


def _manifest(connection: Connection, row: Row[Any], known: dict[int, Manifest]) -> Manifest:
    if row.number in known:
        return known[row.number]
    statement = text("SELECT manifest FROM versions WHERE number = :number")
    written = connection.execute(statement, {"number": row.number}).scalar_one()
    found = msgspec.json.decode(written, type=Manifest)
    if row.fate != "starting":
        known[row.number] = found
    return found


def _keys(connection: Connection) -> list[Key]:
    rows = connection.execute(
        text(
            """
            SELECT key_id, consumer, digest, endpoints, rate, created_at, expires_at,
                   previous_digest, previous_until, revoked_at, file
            FROM keys ORDER BY created_at
            """
        )
    )
    return [Key(_stored_key(row), row.created_at, row.revoked_at, row.file) for row in rows]


def _stored_key(row: Row[Any]) -> StoredKey:
    return StoredKey(
        key_id=row.key_id,
        consumer=row.consumer,
        digest=row.digest,
        endpoints=_texts(row.endpoints),
        rate=row.rate,
        expires_at=row.expires_at,
        previous_digest=row.previous_digest,
        previous_until=row.previous_until,
    )


def _deploys(connection: Connection) -> list[Deploy]:
    rows = connection.execute(
        text(
            """
            SELECT deploy_id, endpoint, version, state, since, origin, options, why, previous,
                   number
            FROM deploys WHERE state IN ('open', 'running') ORDER BY since
            """
        )
    )
    return [
        Deploy(
            deploy_id=row.deploy_id,
            endpoint=row.endpoint,
            version=row.version,
            state=row.state,
            since=row.since,
            origin=_origin(row.origin),
            options=msgspec.json.decode(row.options, type=DeployOptions),
            why=row.why,
            previous=row.previous,
            number=row.number,
        )
        for row in rows
    ]


def outcome(connection: Connection, deploy_id: str) -> DeployStatus | None:
    """How a deploy ended, or None when there is no such deploy or it has not ended."""
    statement = text("SELECT outcome FROM deploys WHERE deploy_id = :deploy_id")
    found = connection.execute(statement, {"deploy_id": deploy_id}).scalar_one_or_none()
    return None if found is None else msgspec.json.decode(found, type=DeployStatus)


def left(connection: Connection) -> list[tuple[str, str, str]]:
    """(deploy, model, tracking URI) of what deploys that were cut may have left in MLflow."""
    statement = text("SELECT name, value FROM settings WHERE name LIKE :names")
    rows = connection.execute(statement, {"names": f"{LEFT}%"})
    decoded = ((row.name, msgspec.json.decode(row.value, type=tuple[str, str])) for row in rows)
    return [(name.removeprefix(LEFT), *what) for name, what in decoded]


def audit(connection: Connection, endpoint: str | None, limit: int) -> list[AuditEntry]:
    """The last changes, newest first: of one endpoint, or of all."""
    rows = connection.execute(
        text(
            """
            SELECT at, endpoint, generation, action, detail, origin FROM audit
            WHERE :endpoint IS NULL OR endpoint = :endpoint
            ORDER BY number DESC LIMIT :limit
            """
        ),
        {"endpoint": endpoint, "limit": limit},
    )
    return [
        AuditEntry(
            at=row.at,
            endpoint=row.endpoint,
            generation=row.generation,
            action=row.action,
            detail=row.detail,
            origin=_origin(row.origin),
        )
        for row in rows
    ]


def events(connection: Connection, limit: int) -> list[Event]:
    """The last events, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT number, at, endpoint, version, kind, message FROM events
            ORDER BY number DESC LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    found = [
        Event(row.number, row.at, row.endpoint, row.version, row.kind, row.message) for row in rows
    ]
    return found[::-1]


def setting(connection: Connection, name: str) -> str | None:
    """What has been kept under `name`."""
    statement = text("SELECT value FROM settings WHERE name = :name")
    return connection.execute(statement, {"name": name}).scalar_one_or_none()


def _texts(column: str) -> tuple[str, ...]:
    return msgspec.json.decode(column, type=tuple[str, ...])


def _origin(column: str) -> Origin:
    return msgspec.json.decode(column, type=Origin)
