"""A cell that comes while the imports for %deploy are under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deploy.notebook import preload
from jupyter_deploy.notebook.preload import Preload
from tests.support import wait_until


class Imports:
    """Imports that begin, and end when they are told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_end = threading.Semaphore(0)

    def load(self, module: str) -> None:
        self.begun.append(module)
        self.may_end.acquire()


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> Imports:
    imports = Imports()
    monkeypatch.setattr(preload, "load_one", imports.load)
    monkeypatch.setattr(preload, "MODULES", ("first", "second"))
    return imports


def test_a_cell_waits_for_one_module_and_says_so_and_the_next_is_imported_after_it(
    shell: InteractiveShell,
    imports: Imports,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(preload, "SILENT_SECONDS", 0.0)
    monkeypatch.setattr(preload, "clear_output", lambda: print("cleared"))
    waits = Preload(shell)
    shell.user_ns["begun"] = imports.begun
    shell.run_cell("pass")
    wait_until(lambda: imports.begun == ["first"])
    threading.Timer(0.1, imports.may_end.release).start()
    shell.run_cell("get_ipython().run_cell('inner = 1')\nseen = list(begun)")
    assert (shell.user_ns["inner"], shell.user_ns["seen"]) == (1, ["first"])
    said = capsys.readouterr().out
    assert said.index("first is being imported") < said.index("cleared")
    wait_until(lambda: imports.begun == ["first", "second"])
    imports.may_end.release()
    waits._thread.join(10)
    shell.run_cell("pass")
    assert "being imported" not in capsys.readouterr().out
    assert waits._before_cell not in shell.events.callbacks["pre_run_cell"]
    assert waits._after_cell not in shell.events.callbacks["post_run_cell"]


@pytest.mark.parametrize("cell", ["", "get_ipython().run_cell('')"])
def test_an_empty_cell_takes_no_turn_from_those_that_come_after_it(
    shell: InteractiveShell, imports: Imports, monkeypatch: pytest.MonkeyPatch, cell: str
) -> None:
    waits = Preload(shell)
    shell.run_cell("pass")
    wait_until(lambda: imports.begun == ["first"])
    threading.Timer(0.1, imports.may_end.release).start()
    shell.run_cell(cell)
    monkeypatch.setattr(waits, "_said", lambda: bool(waited.append("again")))
    waited: list[str] = []
    shell.run_cell("get_ipython().run_cell('inner = 1')")
    assert (shell.user_ns["inner"], waited) == (1, [])
    imports.may_end.release()
    waits._thread.join(10)
    assert imports.begun == ["first", "second"]


def test_a_cell_that_is_interrupted_while_it_waits_does_not_run(
    shell: InteractiveShell,
    imports: Imports,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = Preload(shell)
    shell.run_cell("before = 1")
    wait_until(lambda: imports.begun == ["first"])
    monkeypatch.setattr(waits, "_said", lambda: signal.raise_signal(signal.SIGINT))
    refused = shell.run_cell("after = 2")
    assert "Interrupted before it ran" in str(refused.error_before_exec)
    printed = capsys.readouterr().out
    assert "Error in callback" not in printed
    assert "Traceback" not in printed
    assert "after" not in shell.user_ns
    imports.may_end.release(2)
    assert shell.run_cell("after = 3").success
    assert (shell.user_ns["before"], shell.user_ns["after"]) == (1, 3)
    assert shell.ast_transformers == []
    waits.stop()
