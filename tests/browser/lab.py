"""A real JupyterLab with the extension, and a page of it in Debian's Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.server.jupyter import API, TOKEN, JupyterServer

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "jupyter_deploy" / "labextension"
CHROMIUM = Path("/usr/bin/chromium")
NAME = "jupyterlab-deploy"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Lab(JupyterServer):
    """JupyterLab under a base URL with an odd character, with authentication on."""

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def address(self, path: str) -> str:
        """Where to find a page of Lab, for somebody with the token."""
        return f"{self.url.removesuffix(API)}{path}?token={TOKEN}&reset"

    def _arguments(self) -> list[str]:
        extensions = dict.fromkeys(("jupyter_deploy", "jupyterlab", "notebook"), True)
        return [
            *(one for one in super()._arguments() if "jpserver_extensions" not in one),
            f"--ServerApp.jpserver_extensions={extensions}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=None",
            "--JupyterNotebookApp.expose_app_in_browser=True",
        ]

    def _environment(self) -> dict[str, str]:
        installed = self.folder / "share" / "labextensions"
        installed.mkdir(parents=True, exist_ok=True)
        if BUILT.is_dir() and not (installed / NAME).exists():
            (installed / NAME).symlink_to(BUILT)
        return super()._environment() | {
            "JUPYTER_PATH": str(installed.parent),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"),
            "JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"),
        }


def missing() -> str:
    """Why the browser's tests cannot run here; empty when they can."""
    with contextlib.suppress(ImportError):
        import playwright.sync_api  # noqa: F401

        if not CHROMIUM.exists():
            return f"there is no {CHROMIUM}: install Debian's chromium"
        return "" if (BUILT / "package.json").exists() else "the lab extension is not built"
    return "playwright is not installed"


@contextlib.contextmanager
def chromium() -> Iterator[object]:
    """A browser context that may use the clipboard, and a list of what went wrong in its pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        context = browser.new_context(
            viewport={"width": 1280, "height": 800},
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(30_000)
        try:
            yield context
        finally:
            browser.close()


def write_notebook(lab: Lab, *cells: str) -> None:
    """A notebook `model.ipynb` with these cells, where Lab finds it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / "model.ipynb")


def opened(page: Any, lab: Lab, place: str = "lab/tree/model.ipynb") -> Any:
    """The page, with Lab and that notebook open in it."""
    page.goto(lab.address(place))
    page.wait_for_function("window.jupyterapp?.restored", timeout=60_000)
    page.evaluate("window.jupyterapp.restored")
    return page


#: The kernel of the open notebook has answered: a cell that is run before is not run at all, and
#: Lab says "idle" of a kernel to which it is not connected yet.
_KERNEL_ANSWERS = """async () => {
  const notebook = [...window.jupyterapp.shell.widgets('main')].find(one => one.sessionContext);
  await notebook.sessionContext.ready;
  await notebook.sessionContext.session.kernel.info;
}"""


def run_first_cell(page: Any, milliseconds: int) -> None:
    """Run the first cell of the open notebook, and wait for its end."""
    # Until it has gone, it stands before the cells.
    page.locator(".jp-NotebookPanel .jp-Spinner").wait_for(state="detached", timeout=milliseconds)
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.evaluate(_KERNEL_ANSWERS)
    page.evaluate("void window.jupyterapp.commands.execute('notebook:run-cell')")
    page.locator(".jp-InputArea-prompt", has_text="[1]:").first.wait_for(timeout=milliseconds)


def skip_unless_possible() -> None:
    if reason := missing():
        pytest.skip(reason)
