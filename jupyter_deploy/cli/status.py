"""`status` and `ui`: what there is, and how to look at the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.endpoints import endpoint_table
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import json_option, local_time, table

if TYPE_CHECKING:
    from jupyter_deploy.client.models import GatewayStatus, Status


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show what runs: supervisor, gateway, registry and endpoints."""
    from jupyter_deploy.client.discovery import running

    client = running()
    if client is None:
        _show_absence(as_json=as_json)
        return
    with client:
        found = client.status()
    if as_json:
        print_json(found)
    else:
        click.echo(_text(found))


@click.command()
@click.option("--browser", is_flag=True, help="Open it in a browser, too.")
@json_option
def ui(*, browser: bool, as_json: bool) -> None:
    """Start the MLflow UI on the registry, and print its URL."""
    with control.to_change() as client:
        found = client.registry_ui()
    if as_json:
        print_json(found)
    else:
        # A tracking server of one's own has its UI, and no process of ours.
        process = f" (pid {found.pid})" if found.pid else ""
        click.echo(f"The MLflow UI is at {found.url}{process}.")
    if browser:
        click.launch(found.url)


def _show_absence(*, as_json: bool) -> None:
    from jupyter_deploy.client.absence import absence

    seen = absence()
    if as_json:
        # The shape of what a supervisor says, with what is known without one.
        gateway = {"pids": list(seen.gateways), "url": seen.url}
        print_json({"supervisor": {"pid": None}, "gateway": gateway, "endpoints": []})
    elif seen.nothing:
        click.echo("Nothing runs. `jupyter endpoint start` starts it with all endpoints as they")
        click.echo("were; `%deploy` in a notebook and `jupyter endpoint demo` start it too.")
    else:
        click.echo(f"{seen.what}\n{seen.fix}")


def _text(found: Status) -> str:
    supervisor, gateway, registry = found.supervisor, found.gateway, found.registry
    rows = [
        ("supervisor", f"pid {supervisor.pid}, since {local_time(supervisor.started_at)}"),
        *([("", supervisor.note)] if supervisor.note else []),
        ("home", supervisor.home),
        ("gateway", f"{gateway.url} ({_processes(gateway)})"),
    ]
    rows += [("", gateway.note)] if gateway.note else []
    rows += [("registry", registry.tracking_uri)]
    rows += [("MLflow UI", registry.ui_url or f"not running; open it with: {registry.open_with}")]
    rows += [("", f"{registry.pending} changes wait for MLflow")] if registry.pending else []
    return f"{table(('PART', 'STATE'), rows)}\n\n{_endpoints(found)}"


def _processes(gateway: GatewayStatus) -> str:
    if not gateway.pids:
        return "not running"
    pids = f"pid {', '.join(str(pid) for pid in gateway.pids)}"
    missing = gateway.processes - len(gateway.pids)
    return f"{pids}; {missing} of {gateway.processes} not running" if missing > 0 else pids


def _endpoints(found: Status) -> str:
    if not found.endpoints:
        return "No endpoints yet: `%deploy MODEL --name NAME` in a notebook makes one."
    return endpoint_table(found.endpoints)
