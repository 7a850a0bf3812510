"""`upgrade`: what runs is replaced by the code that is installed now, and nobody notices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import duration, json_option, table

if TYPE_CHECKING:
    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.client.upgrades import Upgraded, UpgradedPart


@click.command()
@json_option
def upgrade(*, as_json: bool) -> None:
    """Run the code that is installed now; no caller is refused."""
    from jupyter_deploy.client.discovery import replace
    from jupyter_deploy.client.upgrades import Upgraded

    began = time.monotonic()
    with control.to_look() as client:
        before = client.status().supervisor
    with replace() as client:
        after = client.status().supervisor
        seconds = time.monotonic() - began
        supervisor = _supervisor(before.pid, before.version, after.pid, after.version, seconds)
        upgraded = Upgraded((supervisor, *client.upgrade(control.origin()).parts))
        replicas = _replicas(client)
    if as_json:
        print_json(upgraded)
        return
    click.echo(_table(upgraded))
    if replicas:
        who = "1 replica goes" if replicas == 1 else f"{replicas} replicas go"
        click.echo(f"{who} on; each has the new code when it is next started.")


def _supervisor(*values: object) -> UpgradedPart:
    from jupyter_deploy.client.upgrades import UpgradedPart

    return UpgradedPart("supervisor", *values)  # type: ignore[arg-type]


def _replicas(client: ControlClient) -> int:
    versions = (version for one in client.endpoints() for version in one.versions)
    return sum(len(version.replicas) for version in versions)


def _table(upgraded: Upgraded) -> str:
    rows = [
        (
            one.part,
            _process(one.version_before, one.pid_before),
            _process(one.version, one.pid),
            duration(one.seconds),
        )
        for one in upgraded.parts
    ]
    return table(("PART", "BEFORE", "NOW", "TOOK"), rows)


def _process(version: str, pid: int) -> str:
    return f"{version or 'unknown'} (pid {pid})"
