"""The command `jupyter endpoint`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command and end the process with its exit status."""
    from jupyter_deploy.cli.app import run

    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal has no letter for is no reason to say nothing.
        sys.stdout.reconfigure(errors="replace")
    sys.exit(run(sys.argv[1:]))
