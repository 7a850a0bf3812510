"""The registered models and their versions, for somebody who looks for one to deploy."""

from __future__ import annotations

from typing import Any

from jupyter_deploy.core.registered import RegistryModel, RegistryVersion
from jupyter_deploy.registry.location import using

#: More are not shown: whoever has more finds theirs in MLflow.
MODELS, VERSIONS = 100, 20


def models(tracking_uri: str) -> list[RegistryModel]:
    """The registered models, the last changed first.  Raises RegistryUnavailable."""
    with using(tracking_uri) as client:
        found = client.search_registered_models(max_results=MODELS)
        found = sorted(found, key=lambda one: one.last_updated_timestamp or 0, reverse=True)
        return [RegistryModel(one.name, _versions(client, one)) for one in found]


def _versions(client: Any, model: Any) -> tuple[RegistryVersion, ...]:
    aliases: dict[str, list[str]] = {}
    for alias, version in (model.aliases or {}).items():
        aliases.setdefault(str(version), []).append(alias)
    quoted = model.name.replace("'", "''")
    found = client.search_model_versions(f"name='{quoted}'", max_results=VERSIONS)
    return tuple(
        RegistryVersion(
            version=str(one.version),
            created_at=one.creation_timestamp / 1000,
            aliases=tuple(sorted(aliases.get(str(one.version), ()))),
            deployed_as=one.tags.get("jupyter_deploy.version", ""),
        )
        for one in sorted(found, key=lambda one: int(one.version), reverse=True)
    )
