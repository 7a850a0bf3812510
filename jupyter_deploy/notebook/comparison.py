"""What `--compile` tried, as the table of a card."""

from __future__ import annotations

from jupyter_deploy.core import compiled
from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.notebook.card import Table


def comparison(manifest: Manifest) -> Table | None:
    """Each form with its times, its largest difference, and why it is not served."""
    if not manifest.trials:
        return None
    columns = ("Form", "1 row", f"{compiled.MANY} rows", "Largest difference", "")
    return Table(columns, tuple(trial.cells(manifest.form) for trial in manifest.trials))
