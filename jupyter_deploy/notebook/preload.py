"""Imports what the first deploy needs while the person reads or types: MLflow takes six seconds.

Rule 1: no cell runs while it imports.  Two threads that import parts of one package at once can
each see the other's half; so a cell that comes before the imports have ended waits for them, and
then finds most of what it wants to import already there.  Rule 2: a cell that is interrupted while
it waits does not run: IPython would only print that a callback was interrupted, and go on.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import threading
from typing import Any

from IPython.core.interactiveshell import InputRejected

#: What packaging and registering import; in the kernel they are imported only for a deploy.
MODULES = (
    "jupyter_deploy.pipeline",
    "mlflow",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
)
_WORK = "what %deploy needs was being imported"
#: A cell waits no longer than this.
WAIT_SECONDS = 30.0


class Preload:
    """Starts when the cell that made it has ended; later cells wait until it is done."""

    def __init__(self, shell: Any) -> None:
        self._thread = threading.Thread(target=load, name="imports for %deploy", daemon=True)
        self._shell = shell
        shell.events.register("post_run_cell", self._start)

    def stop(self) -> None:
        """Forget the shell; imports that are under way go on."""
        for event, callback in (("post_run_cell", self._start), ("pre_run_cell", self._wait)):
            # The one that is not registered now is not a mistake.
            with contextlib.suppress(ValueError):
                self._shell.events.unregister(event, callback)

    def _start(self, _result: object = None) -> None:
        self._shell.events.unregister("post_run_cell", self._start)
        self._shell.events.register("pre_run_cell", self._wait)
        self._thread.start()

    def _wait(self, _info: object = None) -> None:
        try:
            self._thread.join(WAIT_SECONDS)
        except KeyboardInterrupt:
            # The next cell waits, too, if there is still something to wait for.
            self._shell.ast_transformers.append(_Rejection(self._shell.ast_transformers))
        else:
            self._shell.events.unregister("pre_run_cell", self._wait)


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
        # Whatever is wrong with an import is said by the deploy that needs it.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
