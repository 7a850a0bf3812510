"""The Python session that a person works in: its shell, its names, and where in it we are.

Rule: everything here works without IPython too (a script, papermill's own process, a test).
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

from jupyter_deploy.client.person import system_user
from jupyter_deploy.client.process_start import own_start
from jupyter_deploy.core.manifest import Origin


def shell() -> Any | None:
    """The IPython shell of this process, or None in a plain interpreter."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def in_notebook() -> bool:
    """Whether outputs are shown by a front end that can update them (a kernel, not a terminal)."""
    return getattr(shell(), "kernel", None) is not None


def namespace(frame: FrameType | None) -> dict[str, Any]:
    """The names that the caller in `frame` can see: the notebook's, its module's, its own."""
    found: dict[str, Any] = dict(getattr(shell(), "user_ns", {}))
    if frame is not None:
        found |= frame.f_globals
        found |= frame.f_locals
    return found


def moment() -> str:
    """A word for the cell that is running now; empty outside of a notebook.

    Two calls give the same word when they are made by one run of one cell.
    """
    ipython = shell()
    if ipython is None:
        return ""
    header = _parent(ipython).get("header", {})
    return f"{ipython.execution_count} {header.get('msg_id', '')}"


def origin() -> Origin:
    """Who is at work here, and in which notebook and cell."""
    ipython = shell()
    return Origin(
        user=system_user(),
        via="notebook" if in_notebook() else "python",
        notebook=_notebook(ipython),
        cell=_cell(ipython),
        pid=os.getpid(),
        pid_started=own_start(),
    )


def _notebook(ipython: Any | None) -> str:
    # Jupyter's session manager says it in the environment, VS Code in a variable.
    told = os.environ.get("JPY_SESSION_NAME", "")
    return told or str(getattr(ipython, "user_ns", {}).get("__vsc_ipynb_file__", ""))


def _cell(ipython: Any | None) -> str:
    if ipython is None:
        return ""
    cell_id = _parent(ipython).get("metadata", {}).get("cellId")
    if cell_id:
        return str(cell_id)
    # `execution_count` may be that of the next one already; what is kept ends with this one.
    kept = getattr(ipython.history_manager, "input_hist_parsed", ())
    return f"In [{len(kept) - 1}]" if len(kept) > 1 else ""


def _parent(ipython: Any) -> dict[str, Any]:
    ask = getattr(ipython, "get_parent", None)
    message = ask() if callable(ask) else None
    return message if isinstance(message, dict) else {}
