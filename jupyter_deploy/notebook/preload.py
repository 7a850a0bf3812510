"""Imports what the first deploy needs while the person reads or types: MLflow takes six seconds.

Rule 1: no cell runs while it imports.  Two threads that import parts of one package at once can
each see the other's half; so it imports between cells, one module at a time, and a cell that comes
meanwhile waits for that module and no more.  Rule 2: a cell that waits says so.  Rule 3: a cell
that is interrupted while it waits does not run: IPython would only print that a callback was
interrupted, and go on.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import threading
from typing import Any

from IPython.core.interactiveshell import InputRejected
from IPython.display import clear_output, display

#: What packaging and registering import, in pieces; in the kernel they are imported only for a
#: deploy.
MODULES = (
    "pandas",
    "sqlalchemy.orm",
    "jupyter_deploy.pipeline",
    "mlflow",
    "scipy.stats",
    "mlflow.sklearn",
    "alembic",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
)
_WORK = "what %deploy needs was being imported"
#: A cell waits no longer than this, and says that it does after a moment.
WAIT_SECONDS = 30.0
SILENT_SECONDS = 1.0


class Preload:
    """Starts when the cell that made it has ended; goes on between cells until it is done.

    Invariant: whoever holds `_turn` may import; a cell holds it while it runs, with all the cells
    that it runs itself.
    """

    def __init__(self, shell: Any) -> None:
        self._thread = threading.Thread(target=self._run, name="imports for %deploy", daemon=True)
        self._shell = shell
        self._turn = threading.Lock()
        #: Clear while a cell runs or waits: a lock alone would go to whoever had it last.
        self._between = threading.Event()
        self._between.set()
        #: The cells that run now, by what IPython says of them as they begin: each is in the one
        #: before it.
        self._cells: list[object] = []
        self._cell_has_turn = False
        self._module = ""
        shell.events.register("post_run_cell", self._start)

    def stop(self) -> None:
        """Forget the shell; the import that is under way goes on, and is the last."""
        callbacks = (
            ("post_run_cell", self._start),
            ("pre_run_cell", self._before_cell),
            ("post_run_cell", self._after_cell),
        )
        for event, callback in callbacks:
            # Those that are not registered now are not a mistake.
            with contextlib.suppress(ValueError):
                self._shell.events.unregister(event, callback)
        self._between.clear()

    def _start(self, _result: object = None) -> None:
        self._shell.events.unregister("post_run_cell", self._start)
        self._shell.events.register("pre_run_cell", self._before_cell)
        self._shell.events.register("post_run_cell", self._after_cell)
        self._thread.start()

    def _run(self) -> None:
        for module in MODULES:
            self._between.wait()
            with self._turn:
                self._module = module
                load_one(module)

    def _before_cell(self, info: object = None) -> None:
        if not self._thread.is_alive():
            self.stop()
            return
        self._cells.append(info)
        if len(self._cells) > 1:
            return
        self._between.clear()
        try:
            self._cell_has_turn = self._turn.acquire(timeout=SILENT_SECONDS) or self._said()
        except KeyboardInterrupt:
            self._shell.ast_transformers.append(_Rejection(self._shell.ast_transformers))

    def _said(self) -> bool:
        """Whether it is the cell's turn at last; the cell's output says meanwhile what it is at."""
        said = f"This cell runs in a moment: {self._module} is being imported, for %deploy."
        display({"text/plain": said}, raw=True)
        try:
            return self._turn.acquire(timeout=WAIT_SECONDS)
        finally:
            clear_output()

    def _after_cell(self, result: Any = None) -> None:
        # A cell with nothing in it ends without having begun.
        if not self._cells or (result is not None and result.info not in self._cells):
            return
        self._cells.pop()
        if self._cells:
            return
        if self._cell_has_turn:
            self._cell_has_turn = False
            self._turn.release()
        self._between.set()


class _Rejection(ast.NodeTransformer):
    """Rejects the cell that comes next, and no other; `transformers` are those of the shell."""

    def __init__(self, transformers: list[ast.NodeTransformer]) -> None:
        self._transformers = transformers

    def visit(self, node: ast.AST) -> ast.AST:  # noqa: ARG002 - whatever the cell is
        """Refuse the cell.  Raises Interrupted."""
        self._transformers.remove(self)
        raise Interrupted(f"Interrupted before it ran, while {_WORK}. Run the cell again.")


class Interrupted(InputRejected):  # type: ignore[misc]
    """The cell was interrupted before it ran."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def load() -> None:
    """Import what a deploy needs."""
    for module in MODULES:
        load_one(module)


def load_one(module: str) -> None:
    """Import a part of it."""
    # Whatever is wrong with an import is said by the deploy that needs it.
    with contextlib.suppress(Exception):
        importlib.import_module(module)
