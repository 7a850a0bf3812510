"""`start` and `stop`: the supervisor and everything it keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.endpoints import endpoint_table
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import json_option

if TYPE_CHECKING:
    import psutil

    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.client.models import Status

#: Requests in flight have 30 s to finish.
STOP_SECONDS = 45.0
#: What a supervisor keeps has ended before itself, but for what the kernel still takes apart.
_LAST_SECONDS = 5.0
_POLL_SECONDS = 0.1


@click.command()
@click.option(
    "--wait",
    "seconds",
    default=60.0,
    show_default=True,
    help="How long to wait until all endpoints serve again.",
)
@json_option
def start(seconds: float, *, as_json: bool) -> None:
    """Start everything as it was: endpoints, keys and traffic."""
    with control.to_change() as client:
        found = _wait_until_serving(client, seconds)
    if as_json:
        print_json(found)
        return
    click.echo(f"The supervisor runs (pid {found.supervisor.pid}); callers use {found.gateway.url}")
    if found.gateway.note:
        click.echo(found.gateway.note)
    if found.endpoints:
        click.echo(endpoint_table(found.endpoints))


@click.command()
@json_option
def stop(*, as_json: bool) -> None:
    """Stop everything; `start` brings it back as it was."""
    from jupyter_deploy.client.absence import absence
    from jupyter_deploy.client.discovery import running

    client = running()
    if client is None and absence().nothing:
        _say_stopped([], as_json=as_json)
        return
    processes = _stop(client)
    if any(map(_lives, processes)):
        # Its supervisor has died over it: another one takes over what is left, and stops that.
        processes |= _stop(None)
        _wait_until_gone(processes, STOP_SECONDS)
    _check_gone(processes)
    _say_stopped([process.pid for process in processes], as_json=as_json)


def _stop(client: ControlClient | None) -> set[psutil.Process]:
    """What there was, once the supervisor has ended; without a `client` one is started for it."""
    with client or control.to_change() as client:
        found = client.status()
        processes, supervisor = _processes(found), _process(found.supervisor.pid)
        client.stop(control.origin())
    _wait_until_gone({supervisor} if supervisor else set(), STOP_SECONDS)
    _wait_until_gone(processes, _LAST_SECONDS)
    return processes


def _wait_until_serving(client: ControlClient, seconds: float) -> Status:
    deadline = time.monotonic() + seconds
    found = client.status()
    while not _all_serve(found) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        found = client.status()
    return found


def _all_serve(found: Status) -> bool:
    return bool(found.gateway.pids) and all(e.state != "degraded" for e in found.endpoints)


def _processes(found: Status) -> set[psutil.Process]:
    """Every process that the supervisor keeps, and itself."""
    # A supervisor that was started anew is not the parent of what it has adopted: ask it, too.
    versions = (version for endpoint in found.endpoints for version in endpoint.versions)
    replicas = [replica.pid for version in versions for replica in version.replicas]
    pids = [found.supervisor.pid, *found.gateway.pids, *replicas]
    told = {process for pid in pids if (process := _process(pid)) is not None}
    return told | {child for process in told for child in _children(process)}


def _process(pid: int | None) -> psutil.Process | None:
    import psutil

    try:
        return psutil.Process(pid) if pid is not None else None
    except psutil.NoSuchProcess:
        return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _wait_until_gone(processes: set[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(map(_lives, processes)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _lives(process: psutil.Process) -> bool:
    """Whether it runs; in some containers nobody waits for one whose parent has died."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _check_gone(processes: set[psutil.Process]) -> None:
    from jupyter_deploy.errors import SupervisorUnavailable

    pids = ", ".join(str(process.pid) for process in processes if _lives(process))
    if pids:
        raise SupervisorUnavailable(
            f"Still running after {STOP_SECONDS:.0f} s: pid {pids}.",
            "Look at logs/supervisor.log in JUPYTER_DEPLOY_HOME, then `kill` them.",
        )


def _say_stopped(pids: list[int], *, as_json: bool) -> None:
    if as_json:
        print_json({"stopped": sorted(pids)})
    elif pids:
        click.echo(
            f"Stopped {len(set(pids))} processes. `jupyter endpoint start` starts them again."
        )
    else:
        click.echo("Nothing runs.")
