"""An alias of the registry: who put it where it is, and what that means.

Rule 1: what serves follows from traffic alone; an alias that a person moves in MLflow is an offer.
Rule 2: an alias is only written while it stands where we have put it ourselves, so that what a
person did is not lost before they have been asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

ACTIVE = "active"


@dataclass(frozen=True)
class MovedAlias:
    """The alias `active` as somebody else has put it.

    `version` is the version of the endpoint that it names; None when that was never deployed.
    """

    mlflow_version: str
    version: str | None = None


def moved(wanted: str | None, present: str | None, told: Collection[str] | None) -> str | None:
    """Where somebody else has put an alias; None when it stands where it may be overwritten.

    `told` is where we have put it last, and where we were about to when we last tried; empty when
    we have removed it.  With None (it was never put, or before this was kept), nothing is known to
    be somebody else's.
    """
    if present is None or present == wanted or told is None or present in told:
        return None
    return present


def way_out(name: str, alias: MovedAlias) -> str:
    """The commands that settle an alias that was moved."""
    back = f"`jupyter endpoint put-back {name}` has it name what serves"
    if alias.version is None:
        return f"{back}."
    return f"`jupyter endpoint promote {name} --to {alias.version}` serves it, {back}."


def sentence(name: str, active: str | None, alias: MovedAlias) -> str:
    """What to say about an alias that was moved."""
    serves = f"{active} serves" if active else f"{name} serves nothing"
    deployed = "" if alias.version else ", which is not deployed"
    return f"MLflow's alias active names {_named(alias)}{deployed}; {serves}."


def put_back(active: str | None, alias: MovedAlias) -> str:
    """What the audit says of an alias that names what serves again."""
    return f"active names {active or 'nothing'} again, not {_named(alias)}"


def _named(alias: MovedAlias) -> str:
    return alias.version or f"version {alias.mlflow_version} of the registered model"
