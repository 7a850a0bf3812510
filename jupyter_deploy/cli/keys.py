"""`keys`: who may call.

Rule: a key is never printed.  The supervisor writes it into a file of its owner (0600), and what is
printed is the path of that file and how to use it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import json_option, local_time, table

if TYPE_CHECKING:
    from jupyter_deploy.client.models import IssuedKey, KeyStatus


@click.group()
def keys() -> None:
    """Create, rotate, revoke and list the keys of callers."""


@keys.command("create")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--consumer", required=True, metavar="WHO", help="Whose key it is.")
@click.option("--rate", metavar="COUNT/UNIT", help="At most so many requests: 100/minute.")
@click.option("--expires", metavar="DURATION", help="Ends after this time: 90d, 12h.")
@json_option
def create(
    names: tuple[str, ...], consumer: str, rate: str | None, expires: str | None, *, as_json: bool
) -> None:
    """Make a key for the endpoints named, and write it into a file."""
    from jupyter_deploy.client.models import CreateKey
    from jupyter_deploy.core.limits import parse_duration, parse_rate

    wanted = CreateKey(
        consumer=consumer,
        endpoints=names,
        origin=control.origin(),
        rate=str(parse_rate(rate)) if rate is not None else None,
        expires_seconds=parse_duration(expires) if expires is not None else None,
    )
    with control.to_change() as client:
        issued = client.create_key(wanted)
    _show_issued(issued, as_json=as_json)


@keys.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap",
    default="1d",
    show_default=True,
    metavar="DURATION",
    help="How long the old secret stays valid; 0s ends it now.",
)
@json_option
def rotate(key_id: str, overlap: str, *, as_json: bool) -> None:
    """Give a key a new secret; its id, rights and limits stay."""
    from jupyter_deploy.client.models import RotateKey
    from jupyter_deploy.core.limits import parse_duration

    seconds = 0.0 if overlap == "0s" else parse_duration(overlap)
    with control.to_change() as client:
        issued = client.rotate_key(key_id, RotateKey(control.origin(), seconds))
    _show_issued(issued, as_json=as_json)
    if not as_json:
        until = issued.key.previous_until
        click.echo(
            f"The old secret is valid until {local_time(until)}."
            if until is not None
            else "The old secret is valid no more."
        )


@keys.command("revoke")
@click.argument("key_id")
@json_option
def revoke(key_id: str, *, as_json: bool) -> None:
    """End a key, within a second and on open connections too."""
    from jupyter_deploy.client.models import RevokeKey

    with control.to_change() as client:
        key = client.revoke_key(key_id, RevokeKey(control.origin()))
    if as_json:
        print_json(key)
    else:
        click.echo(f"Key {key.key_id} of {key.consumer} is revoked.")


@keys.command("list")
@click.argument("name", required=False)
@json_option
def list_keys(name: str | None, *, as_json: bool) -> None:
    """List the keys, of one endpoint or of all."""
    with control.to_look() as client:
        found = client.keys(name)
    if as_json:
        print_json(found)
    elif found:
        header = ("KEY", "CONSUMER", "RATE", "STATE", "ENDPOINTS")
        click.echo(table(header, [_row(key, time.time()) for key in found]))
    else:
        click.echo("No keys yet: `jupyter endpoint keys create NAME --consumer WHO` makes one.")


def _row(key: KeyStatus, now: float) -> tuple[str, ...]:
    endpoints = ", ".join(key.endpoints)
    return (key.key_id, key.consumer, key.rate or "no limit", _state(key, now), endpoints)


def _state(key: KeyStatus, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "valid"
    return f"until {local_time(key.expires_at)[:10]}" if now < key.expires_at else "expired"


def _show_issued(issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key_id": issued.key.key_id, "file": issued.file})
        return
    click.echo(f"Key {issued.key.key_id} of {issued.key.consumer} is in {issued.file}")
    click.echo(f'Send it as: -H "Authorization: Bearer $(cat {issued.file})"')
