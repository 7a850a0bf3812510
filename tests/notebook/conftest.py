"""A stack of its own for each module that asks for one; when the module ends, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_deploy.client.discovery import running
from jupyter_deploy.core.manifest import Origin
from tests.support import free_port, wait_until

STOP_SECONDS = 40.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A JUPYTER_DEPLOY_HOME in which the first call starts a supervisor."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DEPLOY_HOME", str(folder))
        patch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
        yield folder
        stop()


def stop() -> None:
    """Stop what runs for this home, and see all of it end."""
    client = running()
    if client is None:
        return
    with client:
        supervisor = psutil.Process(client.ping())
        family = [supervisor, *supervisor.children(recursive=True)]
        client.stop(Origin("tests", "python"))
    wait_until(lambda: not any(map(_lives, family)), STOP_SECONDS)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
