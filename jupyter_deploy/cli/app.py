"""The command itself: which commands there are, and what becomes of an error.

Rule 1: a command's module is imported when it is used, and imports nothing heavy at its top, so
that `--help` is quick and `status` never waits for MLflow.  Rule 2: an error that a person can mend
is one line that says what happened, and one that says what to do, on stderr.  Rule 3: exit status
0 is done, 1 is an error, 2 a command that cannot be understood, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import traceback
from importlib import import_module

import click

from jupyter_deploy import __version__

#: Each command, the module of this package that holds it, and its name there.
COMMANDS = {
    "list": ("endpoints", "list_endpoints"),
    "status": ("status", "status"),
    "deploy": ("deploy", "deploy"),
    "rollback": ("traffic", "rollback"),
    "promote": ("traffic", "promote"),
    "put-back": ("traffic", "put_back"),
    "undeploy": ("endpoints", "undeploy"),
    "versions": ("endpoints", "versions"),
    "keys": ("keys", "keys"),
    "logs": ("history", "logs"),
    "errors": ("history", "errors"),
    "audit": ("history", "audit"),
    "events": ("history", "events"),
    "start": ("process", "start"),
    "stop": ("process", "stop"),
    "upgrade": ("upgrade", "upgrade"),
    "ui": ("status", "ui"),
    "doctor": ("doctor", "doctor"),
    "demo": ("demo", "demo"),
}


class _Commands(click.Group):
    """Commands that are imported when they are looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"jupyter_deploy.cli.{module}"), name)
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="State is kept in JUPYTER_DEPLOY_HOME; JUPYTER_DEPLOY_DEBUG=1 shows tracebacks.",
)
@click.version_option(__version__, prog_name="jupyter endpoint")
def endpoint() -> None:
    """Serve models as secured, supervised, versioned APIs."""


def run(arguments: list[str]) -> int:
    """Run `jupyter endpoint ARGUMENTS` and return its exit status; never raises for an error."""
    try:
        result = endpoint.main(arguments, prog_name="jupyter endpoint", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _misused(error)
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except OSError as error:
        return _failed(error)
    except Exception as error:
        if not _is_ours(error):
            raise
        return _failed(error)
    return result if isinstance(result, int) else 0


def _misused(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "jupyter endpoint"
    click.echo(f"error: {error.format_message()}", err=True)
    click.echo(f"See `{command} --help`.", err=True)
    return 2


def _failed(error: Exception) -> int:
    from jupyter_deploy.errors import DeployError, DeployFailed, UsageError

    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        # The reader of our output is gone (`jupyter endpoint list | head -1`): nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if os.environ.get("JUPYTER_DEPLOY_DEBUG") == "1":
        traceback.print_exception(error)
    if not isinstance(error, DeployError):
        click.echo(f"error: {error}", err=True)
        return 1
    step = f"{error.step}: " if isinstance(error, DeployFailed) and error.step else ""
    click.echo(f"error: {step}{error.detail}", err=True)
    for line in getattr(error, "log", ()):
        click.echo(f"  | {line}", err=True)
    if error.fix:
        click.echo(error.fix, err=True)
    return 2 if isinstance(error, UsageError) else 1


def _is_ours(error: Exception) -> bool:
    from jupyter_deploy.errors import DeployError

    return isinstance(error, DeployError)
