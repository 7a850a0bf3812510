"""The sidebar behind a real JupyterHub, with its login and under its prefix."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import nbformat
import pytest

from tests.browser.lab import BUILT, NAME, ROOT, chromium, run_first_cell, skip_unless_possible
from tests.browser.sidebar import execute, panel, section
from tests.support import free_port, wait_until

PROXY = "configurable-http-proxy"
#: A name that stands quoted in every address.
PERSON = "jo+x.org"
MODEL = """\
%load_ext jupyter_deploy
import numpy as np
from sklearn.linear_model import LogisticRegression
X = np.random.default_rng(0).normal(size=(200, 2))
clf = LogisticRegression().fit(X, X.sum(axis=1) > 0)
%deploy clf --name churn --sample X
"""
#: A hub, and a person's server behind it, each import for half a minute on a busy machine.
HUB_SECONDS = 180.0
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/root"
c.Spawner.cmd = ["{python}", "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True"]
c.Spawner.start_timeout = {seconds}
c.Spawner.http_timeout = {seconds}
c.Spawner.default_url = "/lab/tree/model.ipynb"
c.Spawner.environment = {environment}
"""


@dataclass(frozen=True)
class Hub:
    folder: Path
    url: str


@pytest.fixture(scope="module")
def hub(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    skip_unless_possible()
    pytest.importorskip("jupyterhub", reason="jupyterhub is not installed")
    if shutil.which(PROXY) is None:
        pytest.skip(f"there is no {PROXY}: pip install {PROXY}")
    folder = tmp_path_factory.mktemp("hub")
    (folder / "root").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(MODEL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "root" / "model.ipynb")
    hub = Hub(folder, f"http://127.0.0.1:{free_port()}/")
    (folder / "config.py").write_text(_config(hub))
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: _answers(f"{hub.url}hub/login"), HUB_SECONDS)
        yield hub
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _config(hub: Hub) -> str:
    installed = hub.folder / "share" / "labextensions"
    installed.mkdir(parents=True)
    (installed / NAME).symlink_to(BUILT)
    names = ("PATH", "JUPYTER_DEPLOY_HOME", "JUPYTER_DEPLOY_PORT", "IPYTHONDIR")
    environment = {name: os.environ[name] for name in names} | {
        "JUPYTER_PATH": str(installed.parent),
        "JUPYTER_CONFIG_DIR": str(hub.folder / "config"),
        "JUPYTER_DATA_DIR": str(hub.folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(hub.folder / "runtime"),
        "PYTHONPATH": str(ROOT),
    }
    return CONFIG.format(
        folder=hub.folder, python=sys.executable, environment=environment,
        port=httpx.URL(hub.url).port, hub=free_port(), api=free_port(), seconds=HUB_SECONDS,
    )  # fmt: skip


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_panel_works_behind_a_hub(hub):
    with chromium() as context:
        page = context.new_page()
        page.goto(f"{hub.url}hub/login")
        page.get_by_label("Username").fill(PERSON)
        page.get_by_label("Password").fill("whatever")
        page.get_by_role("button", name="Sign in").click()
        there = "**/lab/tree/model.ipynb*"
        page.wait_for_url(there, wait_until="commit", timeout=HUB_SECONDS * 1000)
        page.wait_for_function("window.jupyterapp?.restored", timeout=60_000)
        page.evaluate("window.jupyterapp.restored")
        execute(page, "jupyter-deploy:show-panel")
        panel(page).get_by_text("Nothing is deployed yet").wait_for(timeout=60_000)
        run_first_cell(page, 120_000)
        panel(page).get_by_role("button", name="churn").click()
        section(page, "Try it").locator("summary").click()
        form = panel(page).get_by_role("form", name="Try churn")
        form.get_by_role("button", name="Send").click()
        form.get_by_text("1.0.0 answered").wait_for()
        section(page, "Who changed what").locator("summary").click()
        section(page, "Who changed what").get_by_text("deployed").first.wait_for()
        if folder := os.environ.get("DASHBOARD_PICTURES"):
            page.screenshot(path=f"{folder}/hub.png")
