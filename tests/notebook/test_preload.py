"""A cell that comes while the imports for %deploy are under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deploy.notebook import preload
from jupyter_deploy.notebook.preload import Preload


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_cell_that_is_interrupted_while_it_waits_does_not_run(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    imported = threading.Event()
    monkeypatch.setattr(preload, "load", imported.wait)
    waits = Preload(shell)
    shell.run_cell("before = 1")
    monkeypatch.setattr(waits._thread, "join", lambda _: signal.raise_signal(signal.SIGINT))
    refused = shell.run_cell("after = 2")
    assert "Interrupted before it ran" in str(refused.error_before_exec)
    printed = capsys.readouterr().out
    assert "Error in callback" not in printed
    assert "Traceback" not in printed
    assert "after" not in shell.user_ns
    monkeypatch.undo()
    imported.set()
    assert shell.run_cell("after = 3").success
    assert (shell.user_ns["before"], shell.user_ns["after"]) == (1, 3)
    assert shell.ast_transformers == []
    waits.stop()
