"""Aliases and tags of a registered model, made as they should be.

Rule 1: level-triggered: an order holds the whole truth of one endpoint, and carrying it out twice
is the same as once.  Rule 2: an alias `active` that somebody else has moved is left alone and told.
Rule 3: what a person has deleted in MLflow stays deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from jupyter_deploy.core.aliases import ACTIVE, moved
from jupyter_deploy.registry.location import using
from jupyter_deploy.registry.package import discard_deploy

#: The aliases that are ours; others are left alone.
ALIASES = (ACTIVE, "canary", "shadow", "standby")


@dataclass(frozen=True, slots=True)
class Order:
    """What MLflow shall say of `name`: alias -> version, and version -> tags.

    `told` is where the alias `active` was put before; None when it never was.  `discard` is the id
    of a deploy that was cut: nothing of it shall be left.
    """

    name: str
    tracking_uri: str
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    told: tuple[str, ...] | None = None
    discard: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What MLflow says: where `active` was moved to and stands, and the metrics of each version."""

    moved: str | None = None
    stands: str | None = None
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


def carry_out(order: Order) -> Found:
    """Set what differs, and nothing else.  Raises RegistryUnavailable."""
    if order.discard:
        discard_deploy(order.name, order.discard, order.tracking_uri)
        return Found()
    with using(order.tracking_uri) as client:
        model = _model(client, order.name)
        if model is None:
            return Found()
        found = client.search_model_versions(f"name='{order.name}'")
        living = {str(one.version) for one in found}
        present = {alias: str(version) for alias, version in model.aliases.items()}
        now = present.get(ACTIVE)
        elsewhere = moved(order.aliases.get(ACTIVE), now, order.told)
        put = _to_put(order, present, living, kept={ACTIVE} if elsewhere else set())
        _put(client, order.name, put)
        metrics = {}
        for version, tags in order.tags.items():
            if version not in living:
                continue
            known = client.get_model_version(order.name, version)
            _set_tags(client, order.name, known, tags)
            metrics[version] = _metrics(client, known)
        return Found(elsewhere, put.get(ACTIVE, now), metrics)


def _model(client: Any, name: str) -> Any:
    """The registered model; None when it has been deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _to_put(
    order: Order, present: dict[str, str], living: set[str], *, kept: set[str]
) -> dict[str, str | None]:
    """Where to put which alias; None where it is to be removed."""
    wanted = {alias: order.aliases.get(alias) for alias in ALIASES if alias not in kept}
    return {
        alias: version
        for alias, version in wanted.items()
        if version != present.get(alias) and (version is None or version in living)
    }


def _put(client: Any, name: str, aliases: dict[str, str | None]) -> None:
    for alias, version in aliases.items():
        if version is None:
            client.delete_registered_model_alias(name, alias)
        else:
            client.set_registered_model_alias(name, alias, version)


def _set_tags(client: Any, name: str, version: Any, tags: dict[str, str]) -> None:
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(name, version.version, key, value)


def _metrics(client: Any, version: Any) -> dict[str, float]:
    """The metrics of the run that a version comes from; empty when it is not known or gone."""
    from mlflow.exceptions import MlflowException

    try:
        run_id = _run_of(client, version)
        found = client.get_run(run_id).data.metrics if run_id else {}
    except MlflowException:
        return {}
    # JSON knows no NaN and no infinity.
    return {name: value for name, value in found.items() if abs(value) < float("inf")}


def _run_of(client: Any, version: Any) -> str:
    """The run that made a version; MLflow does not copy it to a version that is made of another."""
    if version.run_id:
        return str(version.run_id)
    named = re.fullmatch(r"models:/([^/@]+)/([0-9]+)", version.source or "")
    return _run_of(client, client.get_model_version(named[1], named[2])) if named else ""
