"""The parts of the sidebar, as a test asks for them."""

from __future__ import annotations

import json
from typing import Any


def panel(page: Any) -> Any:
    return page.locator(".jp-DeployPanel")


def section(page: Any, title: str) -> Any:
    """A section of an endpoint's page that folds."""
    return panel(page).locator("details.jp-Deploy-fold", has_text=title).first


def execute(page: Any, command: str) -> None:
    """Execute one of Lab's commands; not waiting for its end, which may be that of a dialog."""
    page.evaluate(f"void window.jupyterapp.commands.execute({json.dumps(command)})")
