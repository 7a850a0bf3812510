"""`logs`, `errors`, `audit` and `events`: what has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import as_json_lines, json_option, local_time, table
from jupyter_deploy.core.printable import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.client.models import Event, RequestFailure

#: One long poll of `events --follow`.
_WAIT_SECONDS = 20.0


@click.command()
@click.argument("name")
@click.option("--version", metavar="VERSION", help="Of this version; without it, the active one.")
@click.option("--lines", default=50, show_default=True, help="How many lines.")
@json_option
def logs(name: str, version: str | None, lines: int, *, as_json: bool) -> None:
    """Print the last lines that the replicas have written."""
    with control.to_look() as client:
        found = client.logs(name, version, lines)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(found) if found else "The replicas have written nothing.")


@click.command()
@click.argument("name")
@click.argument("request_id", required=False)
@click.option("--limit", default=50, show_default=True, help="How many requests.")
@json_option
def errors(name: str, request_id: str | None, limit: int, *, as_json: bool) -> None:
    """List the requests that failed on our side, or show one.

    With REQUEST_ID (the X-Request-Id of the answer) it prints the model's traceback.
    """
    with control.to_look() as client:
        found = client.errors(name, limit)
    if request_id is not None:
        _show_failure(_failure(found, request_id), as_json=as_json)
    elif as_json:
        print_json(found)
    elif found:
        header = ("WHEN", "REQUEST", "VERSION", "CODE", "MESSAGE")
        click.echo(table(header, [_failure_row(failure) for failure in found]))
    else:
        click.echo("No request has failed on our side.")


@click.command()
@click.argument("name", required=False)
@json_option
def audit(name: str | None, *, as_json: bool) -> None:
    """List the changes: who did what, when, to which endpoint."""
    with control.to_look() as client:
        entries = client.audit(name)
    if as_json:
        print_json(entries)
        return
    rows = [
        (
            local_time(entry.at),
            entry.endpoint,
            str(entry.generation),
            f"{entry.origin.user}/{entry.origin.via}",
            f"{entry.action} {entry.detail}".rstrip(),
        )
        for entry in entries
    ]
    click.echo(table(("WHEN", "ENDPOINT", "GEN", "WHO", "WHAT"), rows))


@click.command()
@click.option("--after", default=0, help="Only what came after this event number.")
@click.option("--follow", is_flag=True, help="Go on as events come, until interrupted.")
@json_option
def events(after: int, *, follow: bool, as_json: bool) -> None:
    """List what has happened to endpoints, versions and processes.

    With --follow, --json prints each event in a line of its own.
    """
    show = as_json_lines if as_json else _show_events
    with control.to_look() as client:
        found = client.events(after)
        if as_json and not follow:
            print_json(found)
            return
        show(found)
        if follow:
            _follow(client, found[-1].number if found else after, show)


def _failure(found: list[RequestFailure], request_id: str) -> RequestFailure:
    from jupyter_deploy.errors import NotFound

    for failure in found:
        if failure.request_id == request_id:
            return failure
    known = [failure.request_id for failure in found]
    raise NotFound("failed request", request_id, known)


def _show_failure(failure: RequestFailure, *, as_json: bool) -> None:
    if as_json:
        print_json(failure)
        return
    click.echo(f"{failure.request_id} at {local_time(failure.at)}, version {failure.version}")
    said = f"{failure.code}: {failure.message} (caller: {failure.consumer})"
    click.echo(printable(f"{said}\n{failure.trace.rstrip()}"))


def _failure_row(failure: RequestFailure) -> tuple[str, ...]:
    when = local_time(failure.at)
    return (when, failure.request_id, failure.version, failure.code, one_line(failure.message))


def _show_events(found: list[Event]) -> None:
    for event in found:
        when = local_time(event.at)
        click.echo(f"{event.number:>5}  {when}  {event.kind:<19}  {one_line(event.message)}")


def _follow(client: ControlClient, after: int, show: Callable[[list[Event]], None]) -> None:
    while True:
        found = client.events(after, _WAIT_SECONDS)
        show(found)
        after = found[-1].number if found else after
