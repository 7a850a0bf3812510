"""Statements that write: one function each, to be run in a transaction of the store."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, text

from jupyter_deploy.client.models import AuditEntry, DeployStatus, Event
from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.supervisor.state import Deploy, Key, Version

#: Events older than the newest so many are removed.
EVENTS_KEPT = 5_000
#: Settings that name a deploy which may have left something in MLflow.
LEFT = "left by "


def endpoint(connection: Connection, name: str) -> None:
    """An endpoint without traffic, unless it exists."""
    connection.execute(
        text(
            """
            INSERT INTO endpoints (name, generation, history, registered)
            VALUES (:name, 0, '[]', 0) ON CONFLICT (name) DO NOTHING
            """
        ),
        {"name": name},
    )


def traffic(connection: Connection, name: str, new: Traffic, generation: int) -> None:
    """The traffic of an endpoint, and the number of this change."""
    connection.execute(
        text(
            """
            UPDATE endpoints
            SET active = :active, standby = :standby, history = :history, generation = :generation
            WHERE name = :name
            """
        ),
        {
            "name": name,
            "active": new.active,
            "standby": new.standby,
            "history": _json(new.history),
            "generation": generation,
        },
    )


def registered(connection: Connection, name: str, generation: int) -> None:
    """MLflow knows of this generation of the endpoint."""
    statement = text("UPDATE endpoints SET registered = :generation WHERE name = :name")
    connection.execute(statement, {"name": name, "generation": generation})


def version(connection: Connection, new: Version) -> int:
    """A new version; returns the number that it got (`new.number` is not used)."""
    result = connection.execute(
        text(
            """
            INSERT INTO versions (endpoint, version, fate, why, reason, log, created_at, origin,
                                  previous, replicas, timeout_seconds, manifest, most_replicas)
            VALUES (:endpoint, :version, :fate, :why, :reason, :log, :created_at, :origin,
                    :previous, :replicas, :timeout_seconds, :manifest, :most_replicas)
            RETURNING number
            """
        ),
        {
            "endpoint": new.endpoint,
            "version": new.version,
            "fate": new.fate,
            "why": new.why,
            "reason": new.reason,
            "log": _json(new.log),
            "created_at": new.created_at,
            "origin": _json(new.origin),
            "previous": new.previous,
            "replicas": new.replicas,
            "timeout_seconds": new.timeout_seconds,
            "manifest": _json(new.manifest),
            "most_replicas": new.most_replicas,
        },
    )
    return int(result.scalar_one())


def manifest(connection: Connection, number: int, new: Manifest) -> None:
    """Another manifest of a version that serves nothing yet."""
    connection.execute(
        text("UPDATE versions SET manifest = :manifest WHERE number = :number"),
        {"manifest": _json(new), "number": number},
    )


def numbers_after(connection: Connection, number: int) -> None:
    """Versions that come now get numbers above `number`."""
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'versions'"))
    statement = text("INSERT INTO sqlite_sequence (name, seq) VALUES ('versions', :number)")
    connection.execute(statement, {"number": number})


def fate(
    connection: Connection, number: int, fate: str, reason: str = "", log: tuple[str, ...] = ()
) -> None:
    """A version is good now, or has failed for a reason."""
    connection.execute(
        text(
            """
            UPDATE versions SET fate = :fate, reason = :reason, log = :log WHERE number = :number
            """
        ),
        {"number": number, "fate": fate, "reason": reason, "log": _json(log)},
    )


def deploy(connection: Connection, new: Deploy) -> None:
    """A new deploy.  Raises IntegrityError when another one holds the endpoint."""
    connection.execute(
        text(
            """
            INSERT INTO deploys (deploy_id, endpoint, version, state, since, origin, options, why,
                                 previous)
            VALUES (:deploy_id, :endpoint, :version, :state, :since, :origin, :options, :why,
                    :previous)
            """
        ),
        {
            "deploy_id": new.deploy_id,
            "endpoint": new.endpoint,
            "version": new.version,
            "state": new.state,
            "since": new.since,
            "origin": _json(new.origin),
            "options": _json(new.options),
            "why": new.why,
            "previous": new.previous,
        },
    )


def deploy_runs(connection: Connection, deploy_id: str, number: int) -> None:
    """The deploy has been submitted as version `number`."""
    connection.execute(
        text("UPDATE deploys SET state = 'running', number = :number WHERE deploy_id = :deploy_id"),
        {"deploy_id": deploy_id, "number": number},
    )


def deploy_ended(connection: Connection, outcome: DeployStatus) -> None:
    """How the deploy ended."""
    connection.execute(
        text("UPDATE deploys SET state = :state, outcome = :outcome WHERE deploy_id = :deploy_id"),
        {"deploy_id": outcome.deploy_id, "state": outcome.state, "outcome": _json(outcome)},
    )


def key(connection: Connection, new: Key) -> None:
    """A key, new or changed."""
    connection.execute(
        text(
            """
            INSERT INTO keys (key_id, consumer, digest, endpoints, rate, created_at, expires_at,
                              previous_digest, previous_until, revoked_at, file)
            VALUES (:key_id, :consumer, :digest, :endpoints, :rate, :created_at, :expires_at,
                    :previous_digest, :previous_until, :revoked_at, :file)
            ON CONFLICT (key_id) DO UPDATE SET
                digest = excluded.digest, previous_digest = excluded.previous_digest,
                previous_until = excluded.previous_until, revoked_at = excluded.revoked_at,
                file = excluded.file
            """
        ),
        {
            "key_id": new.stored.key_id,
            "consumer": new.stored.consumer,
            "digest": new.stored.digest,
            "endpoints": _json(new.stored.endpoints),
            "rate": new.stored.rate,
            "created_at": new.created_at,
            "expires_at": new.stored.expires_at,
            "previous_digest": new.stored.previous_digest,
            "previous_until": new.stored.previous_until,
            "revoked_at": new.revoked_at,
            "file": new.file,
        },
    )


def audit(connection: Connection, entry: AuditEntry) -> None:
    """Who changed what."""
    connection.execute(
        text(
            """
            INSERT INTO audit (at, endpoint, generation, action, detail, origin)
            VALUES (:at, :endpoint, :generation, :action, :detail, :origin)
            """
        ),
        {
            "at": entry.at,
            "endpoint": entry.endpoint,
            "generation": entry.generation,
            "action": entry.action,
            "detail": entry.detail,
            "origin": _json(entry.origin),
        },
    )


def event(connection: Connection, new: Event) -> None:
    """What happened; the oldest events go."""
    connection.execute(
        text(
            """
            INSERT OR REPLACE INTO events (number, at, endpoint, version, kind, message)
            VALUES (:number, :at, :endpoint, :version, :kind, :message)
            """
        ),
        {
            "number": new.number,
            "at": new.at,
            "endpoint": new.endpoint,
            "version": new.version,
            "kind": new.kind,
            "message": new.message,
        },
    )
    connection.execute(
        text(
            """
            DELETE FROM events WHERE number <=
                (SELECT number FROM events ORDER BY number DESC LIMIT 1 OFFSET :kept)
            """
        ),
        {"kept": EVENTS_KEPT},
    )


def setting(connection: Connection, name: str, value: str) -> None:
    """Keep `value` under `name`."""
    connection.execute(
        text("INSERT OR REPLACE INTO settings (name, value) VALUES (:name, :value)"),
        {"name": name, "value": value},
    )


def left(connection: Connection, deploy_id: str, name: str, tracking_uri: str) -> None:
    """A deploy that was cut may have left something in MLflow."""
    setting(connection, f"{LEFT}{deploy_id}", _json((name, tracking_uri)))


def removed(connection: Connection, deploy_id: str) -> None:
    """Nothing of that deploy is left in MLflow."""
    statement = text("DELETE FROM settings WHERE name = :name")
    connection.execute(statement, {"name": f"{LEFT}{deploy_id}"})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
