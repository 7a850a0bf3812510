"""States, times, places and counts in the words that cards use.

Rule: pure; times of day are those of this machine.
"""

from __future__ import annotations

import time
from pathlib import PurePath

from jupyter_deploy.client.models import VersionStatus
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.notebook.card import Cell, Code, Link, Mark, Tone, seconds

NONE = "—"

_TONES = {
    "active": Tone.GOOD,
    "serving": Tone.GOOD,
    "ready": Tone.GOOD,
    "valid": Tone.GOOD,
    "standby": Tone.BUSY,
    "starting": Tone.BUSY,
    "degraded": Tone.WARN,
    "failing in part": Tone.WARN,
    "expired": Tone.WARN,
    "failed": Tone.BAD,
}


def mark(state: str) -> Mark:
    """A state, with its colour."""
    return Mark(state, _TONES.get(state, Tone.CALM))


def mlflow(version: VersionStatus, tracking_uri: str) -> Cell:
    """The model in MLflow, as a link where MLflow has pages that anybody may open."""
    if not version.mlflow_version:
        return NONE
    # A URI with credentials in it is not for a cell's output.
    if tracking_uri.startswith(("http://", "https://")) and "@" not in tracking_uri:
        name = version.mlflow_uri.removeprefix("models:/").partition("/")[0]
        page = f"{tracking_uri.rstrip('/')}/#/models/{name}/versions/{version.mlflow_version}"
        return Link(version.mlflow_uri, page)
    return Code(version.mlflow_uri or version.mlflow_version)


def replicas(version: VersionStatus) -> str:
    """How many replicas are ready, and how many there may be."""
    ready = sum(replica.state == "ready" for replica in version.replicas)
    if not version.replicas:
        return "none"
    least, most = version.least_replicas, version.most_replicas
    scales = f"; {least} to {most}, as the load needs" if most > least else ""
    return f"{ready} of {len(version.replicas)} ready{scales}"


def place(origin: Origin) -> str:
    """The notebook and the cell where something was done, or the way it came."""
    file = PurePath(origin.notebook).name or origin.via
    cell = origin.cell if origin.cell.startswith("In [") else f"cell {origin.cell[:8]}"
    return f"{file}, {cell}" if origin.cell else file


def clock(at: float) -> str:
    """The day and the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def milliseconds(value: float) -> str:
    """A time that is short as a rule: 42 ms, 1.3 s."""
    return f"{value * 1000:.0f} ms" if value < 1 else seconds(value)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 key, 2 keys."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds_: float) -> str:
    """A window as a person says it: 5 minutes, 1 hour, 7 days."""
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds_ >= size and seconds_ % size == 0:
            return counted(int(seconds_ // size), noun)
    return seconds(seconds_)
