"""`list`, `versions` and `undeploy`: endpoints and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import json_option, local_time, table
from jupyter_deploy.core.aliases import sentence, way_out

if TYPE_CHECKING:
    from jupyter_deploy.client.models import EndpointStatus, VersionStatus
    from jupyter_deploy.core.manifest import Origin


@click.command("list")
@json_option
def list_endpoints(*, as_json: bool) -> None:
    """List the endpoints: state, versions and URL."""
    with control.to_look() as client:
        endpoints = client.endpoints()
    if as_json:
        print_json(endpoints)
    elif endpoints:
        click.echo(endpoint_table(endpoints))
    else:
        click.echo("No endpoints yet: `%deploy MODEL --name NAME` in a notebook makes one.")


@click.command()
@click.argument("name")
@json_option
def versions(name: str, *, as_json: bool) -> None:
    """Show the versions of an endpoint: state, who, when and why."""
    with control.to_look() as client:
        found = client.endpoint(name)
    if as_json:
        print_json(found.versions)
        return
    for number, version in enumerate(found.versions):
        click.echo(("\n" if number else "") + version_text(version))


@click.command()
@click.argument("name")
@json_option
def undeploy(name: str, *, as_json: bool) -> None:
    """Stop serving an endpoint; its history and its keys stay."""
    with control.to_change() as client:
        found = client.undeploy(name, control.origin())
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.name} serves no more. Its versions are kept;")
    click.echo(f"`jupyter endpoint promote {found.name} --to VERSION` brings one back.")


def endpoint_table(endpoints: list[EndpointStatus] | tuple[EndpointStatus, ...]) -> str:
    """The endpoints as a table."""
    header = ("NAME", "STATE", "ACTIVE", "STANDBY", "REPLICAS", "URL")
    lines = [table(header, [_endpoint_row(endpoint) for endpoint in endpoints])]
    for one in endpoints:
        if one.moved_alias is not None:
            lines.append(sentence(one.name, one.active, one.moved_alias))
            lines.append(way_out(one.name, one.moved_alias))
    return "\n".join(lines)


def _endpoint_row(endpoint: EndpointStatus) -> tuple[str, ...]:
    replicas = sum(len(version.replicas) for version in endpoint.versions)
    limits = [_range(version) for version in endpoint.versions if version.state == "active"]
    return (
        endpoint.name,
        endpoint.seen_state,
        endpoint.active or "-",
        endpoint.standby or "-",
        " ".join([str(replicas), *filter(None, limits)]),
        endpoint.url,
    )


def version_text(version: VersionStatus) -> str:
    """A version in a few lines."""
    rows = [("made", f"{local_time(version.created_at)} by {_who(version.origin)}")]
    rows += [("where", _where(version.origin))] if version.origin.notebook else []
    rows += [("MLflow", f"{version.mlflow_uri} (version {version.mlflow_version})")]
    rows += [("why", version.why)] if version.why else []
    rows += [("reason", version.reason)] if version.reason else []
    rows += [("scales", _range(version))] if _range(version) else []
    rows += [("replica", f"{r.state}, pid {r.pid or '-'}") for r in version.replicas]
    rows += [("log", line) for line in version.log]
    # The first row is the header: version and state.
    return table((version.version, version.state), rows)


def _range(version: VersionStatus) -> str:
    least, most = version.least_replicas, version.most_replicas
    return f"({least} to {most})" if most > least else ""


def _who(origin: Origin) -> str:
    return f"{origin.user} ({origin.via})"


def _where(origin: Origin) -> str:
    return f"{origin.notebook}, cell {origin.cell}" if origin.cell else origin.notebook
