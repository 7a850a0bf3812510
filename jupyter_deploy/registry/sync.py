"""Aliases and tags of a registered model, made as they should be.

Rule: level-triggered: an order holds the whole truth of one endpoint, and carrying it out twice is
the same as once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_deploy.registry.location import using

#: The aliases that are ours; others are left alone.
ALIASES = ("active", "canary", "shadow", "standby")


@dataclass(frozen=True, slots=True)
class Order:
    """What MLflow shall say of `name`: alias -> version, and version -> tags."""

    name: str
    tracking_uri: str
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)


def carry_out(order: Order) -> None:
    """Set what differs, and nothing else.  Raises RegistryUnavailable."""
    with using(order.tracking_uri) as client:
        present = dict(client.get_registered_model(order.name).aliases)
        for alias in ALIASES:
            wanted, now = order.aliases.get(alias), present.get(alias)
            if wanted is None and now is not None:
                client.delete_registered_model_alias(order.name, alias)
            elif wanted is not None and wanted != str(now):
                client.set_registered_model_alias(order.name, alias, wanted)
        for version, tags in order.tags.items():
            known = client.get_model_version(order.name, version).tags
            for key, value in tags.items():
                if known.get(key) != value:
                    client.set_model_version_tag(order.name, version, key, value)
