"""The command `jupyter endpoint`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command and end the process with its exit status."""
    from jupyter_deploy.cli.app import run

    sys.exit(run(sys.argv[1:]))
