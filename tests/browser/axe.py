"""What axe finds wrong with a part of the page, for those who see, hear or move otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.lab import ROOT

AXE = ROOT / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
THEMES = ("JupyterLab Dark", "JupyterLab Dark High Contrast", "JupyterLab Light")
#: Lab's body hides what overflows and is 0 high, so that axe would take every text for hidden and
#: look at no contrast.
_LOOK = """async where => {
  document.body.style.height = '100vh';
  const { violations, passes } = await axe.run(where);
  document.body.style.height = '';
  return [violations, passes.concat(violations).some(one => one.id === 'color-contrast')];
}"""


def choose_theme(page: Any, name: str) -> None:
    """Show Lab in this theme; the last of THEMES is the one that Lab begins with."""
    theme = json.dumps({"theme": name})
    page.evaluate(f"void window.jupyterapp.commands.execute('apputils:change-theme', {theme})")
    page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")
    # Until it has gone, everything stands behind it.
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def serious(page: Any, where: str) -> list[tuple[str, list[str]]]:
    """The findings in a part of the page that are serious or critical, with their elements."""
    if not AXE.exists():
        pytest.skip("axe-core is not there: run `jlpm install` in labextension/")
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=str(AXE))
    found, looked_at_contrast = page.evaluate(_LOOK, where)
    assert looked_at_contrast
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in grave]
