"""`rollback`, `promote` and `put-back`: which version gets the traffic, and what MLflow says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import duration, json_option

if TYPE_CHECKING:
    from jupyter_deploy.client.models import TrafficChanged


@click.command()
@click.argument("name")
@click.option("--to", "version", metavar="VERSION", help="Go back to this version.")
@json_option
def rollback(name: str, version: str | None, *, as_json: bool) -> None:
    """Give all traffic to the version that was active before."""
    from jupyter_deploy.client.models import ChangeTraffic

    with control.to_change() as client:
        changed = client.rollback(name, ChangeTraffic(control.origin(), version))
    _show(changed, as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--to", "--version", "version", metavar="VERSION", help="Promote this version.")
@json_option
def promote(name: str, version: str | None, *, as_json: bool) -> None:
    """Give all traffic to the standby version, or to the one named."""
    from jupyter_deploy.client.models import ChangeTraffic

    with control.to_change() as client:
        changed = client.promote(name, ChangeTraffic(control.origin(), version))
    _show(changed, as_json=as_json)


@click.command("put-back")
@click.argument("name")
@json_option
def put_back(name: str, *, as_json: bool) -> None:
    """Have MLflow's alias `active` name what serves again."""
    with control.to_change() as client:
        found = client.put_alias_back(name, control.origin())
    if as_json:
        print_json(found)
    else:
        click.echo(f"MLflow's alias active of {name} names {found.active or 'nothing'}.")


def _show(changed: TrafficChanged, *, as_json: bool) -> None:
    if as_json:
        print_json(changed)
        return
    before = f", before it {changed.previous}" if changed.previous else ""
    warm = "it was warm" if changed.warm else "its processes were started first"
    click.echo(f"{changed.name} serves {changed.version}{before} ({warm}).")
    click.echo(f"The change took {duration(changed.seconds)}; generation {changed.generation}.")
    if changed.note:
        click.echo(changed.note)
