"""A JupyterLab for each module, whose notebook has the module's CELLS, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.discovery import running
from tests.browser.lab import Lab, skip_unless_possible, write_notebook
from tests.notebook.conftest import home  # noqa: F401 - a fixture
from tests.support import wait_until


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest,
    home: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    skip_unless_possible()
    lab = Lab(tmp_path_factory.mktemp("jupyter") / "lab")
    write_notebook(lab, *request.module.CELLS)
    wait_until(running, 60.0).close()
    yield lab
    if lab.process.poll() is None:
        lab.stop()


@pytest.fixture
def control() -> Iterator[ControlClient]:
    with wait_until(running, 20.0) as client:
        yield client
