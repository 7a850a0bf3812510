"""`deploy`: a registered model becomes a version of an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import duration, json_option

if TYPE_CHECKING:
    import pandas as pd

    from jupyter_deploy.client.models import StepStatus
    from jupyter_deploy.pipeline import Deployed

_SAMPLE_KINDS = (".csv", ".parquet", ".json")


@click.command()
@click.argument("model_uri")
@click.option("--name", required=True, help="The endpoint.")
@click.option(
    "--sample",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows that the model was made for: .csv, .parquet or .json (records).",
)
@click.option("--version", metavar="X.Y.Z", help="The version's number, instead of the next one.")
@click.option("--bump", type=click.Choice(["major", "minor", "patch"]), help="What grows.")
@click.option("--stage", is_flag=True, help="Start it warm, and leave the traffic where it is.")
@click.option(
    "--replicas", metavar="N|MIN:MAX", help="How many processes serve it; a range follows the load."
)
@click.option("--timeout", type=click.FloatRange(0.1, 3600), help="Seconds for each request.")
@click.option("--compile", "compiled", is_flag=True, help="Serve the fastest form that is equal.")
@json_option
def deploy(
    model_uri: str,
    *,
    name: str,
    sample: Path | None,
    version: str | None,
    bump: str | None,
    stage: bool,
    replicas: str | None,
    timeout: float | None,
    compiled: bool,
    as_json: bool,
) -> None:
    """Deploy a model that MLflow has: models:/NAME/3, runs:/ID/model.

    A model that is in a notebook is deployed there, with %deploy.
    """
    from jupyter_deploy.client.models import DeployOptions
    from jupyter_deploy.core.scaling import parse_range
    from jupyter_deploy.core.versions import Bump

    if version is not None and bump is not None:
        raise click.UsageError("--version and --bump exclude each other: leave one out.")
    limits = None if replicas is None else parse_range(replicas)
    options = DeployOptions(
        version=version,
        bump=Bump(bump) if bump is not None else None,
        stage=stage,
        replicas=None if limits is None else limits.least,
        timeout_seconds=timeout,
        most_replicas=limits.most if limits is not None and limits.scales else None,
        compile=compiled,
    )
    rows = _read_sample(sample) if sample is not None else None
    progress = StepLines(quiet=as_json)
    with control.to_change() as client:
        from jupyter_deploy import pipeline

        try:
            deployed = pipeline.run(
                model_uri,
                name,
                sample=rows,
                options=options,
                origin=control.origin(),
                client=client,
                progress=progress,
            )
        except pipeline.StoppedTooLate as late:
            deployed = late.deployed
            click.echo("It was too late to stop it.", err=True)
    if as_json:
        print_json(_summary(deployed))
    else:
        _show(deployed)


class StepLines:
    """Prints each step of a deploy once, when it has ended."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._shown: set[str] = set()

    def __call__(self, steps: list[StepStatus]) -> None:
        """Take the present state of all steps."""
        ended = [step for step in steps if step.state in ("done", "failed")]
        for step in ended:
            if step.name not in self._shown and not self._quiet:
                took = duration(step.seconds) if step.seconds is not None else ""
                click.echo(f"  {step.name:<9} {step.state:<7} {took:>8}  {step.detail}".rstrip())
            self._shown.add(step.name)


def _summary(deployed: Deployed) -> dict[str, object]:
    return {
        "name": deployed.ticket.name,
        "version": deployed.ticket.version,
        "url": deployed.endpoint.url,
        "active": deployed.endpoint.active,
        "why": deployed.ticket.why,
        "notes": deployed.notes,
        "trials": deployed.manifest.trials,
        "steps": deployed.status.steps,
    }


def _show(deployed: Deployed) -> None:
    ticket, endpoint = deployed.ticket, deployed.endpoint
    state = "serves" if endpoint.active == ticket.version else "is warm, without traffic"
    click.echo(f"{ticket.name} {ticket.version} {state} at {endpoint.url}")
    for line in deployed.manifest.comparison():
        click.echo(f"  {line}")
    for note in [ticket.why, *ticket.breaking, *deployed.notes]:
        if note:
            click.echo(f"  {note}")


def _read_sample(path: Path) -> pd.DataFrame:
    from jupyter_deploy.errors import UsageError

    if path.suffix not in _SAMPLE_KINDS:
        raise UsageError(f"{path} is no sample.", f"Give one of {', '.join(_SAMPLE_KINDS)}.")
    import pandas as pd

    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path} cannot be read: {reason}", "Look at the file.") from error
