"""A notebook executed as a person would: in a kernel of its own, or under a Jupyter server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import nbformat
from jupyter_client.asynchronous import AsyncKernelClient
from nbclient import NotebookClient

CELL_SECONDS = 120


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def run_in_plain_kernel(path: Path) -> nbformat.NotebookNode:
    """Execute the notebook in a kernel that nbclient starts, and save it."""
    notebook = read(path)
    where = {"metadata": {"path": str(path.parent)}}
    # nbclient keeps the history in memory unless it is told to leave it alone.
    NotebookClient(notebook, timeout=CELL_SECONDS, resources=where, ipython_hist_file="").execute()
    nbformat.write(notebook, path)
    return notebook


def run_in_jupyter(path: Path, *, url: str, token: str, runtime: Path) -> nbformat.NotebookNode:
    """Execute the notebook in a kernel that the Jupyter server at `url` starts for it."""
    notebook = read(path)
    told = {"path": path.name, "name": path.name, "type": "notebook", "kernel": {"name": "python3"}}
    headers = {"authorization": f"token {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as server:
        session = server.post("/api/sessions", json=told).raise_for_status().json()
        kernel = runtime / f"kernel-{session['kernel']['id']}.json"
        try:
            asyncio.run(_execute(notebook, kernel))
        finally:
            server.delete(f"/api/sessions/{session['id']}").raise_for_status()
    nbformat.write(notebook, path)
    return notebook


async def _execute(notebook: nbformat.NotebookNode, connection_file: Path) -> None:
    client = NotebookClient(notebook, timeout=CELL_SECONDS)
    client.reset_execution_trackers()
    client.kc = AsyncKernelClient(connection_file=str(connection_file))
    client.kc.load_connection_file()
    # Without the heartbeat: a kernel that is busy with starting counts as dead otherwise.
    client.kc.start_channels(hb=False)
    try:
        await client.kc.wait_for_ready(timeout=60)
        for index, cell in enumerate(notebook.cells):
            await client.async_execute_cell(cell, index)
    finally:
        client.kc.stop_channels()


def outputs(notebook: nbformat.NotebookNode, source: str) -> list[Any]:
    """The outputs of the cell that has `source` in it."""
    return next(c.outputs for c in notebook.cells if c.cell_type == "code" and source in c.source)


def text(output: Any) -> str:
    """What a terminal would show of an output."""
    return output.get("text") or output["data"]["text/plain"]
