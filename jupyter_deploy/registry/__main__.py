"""`python -m jupyter_deploy.registry`: carries out orders of the supervisor, one JSON line each.

    in   {"id", "tracking_uri", "name", "aliases": {alias: version}, "tags": {version: {…}},
          "told"}: registry.sync.Order;  or {"id", "tracking_uri"}: which models
         {"id", "tracking_uri", "name", "discard": deploy_id}
         {"id", "tracking_uri", "name", "version", "folder"}: copy its artefact there
    out  {"id", "ok": true, "moved", "stands", "metrics"}, {"id", "ok": true, "models"},
         or {"id", "ok": false, "error": why}

It is a process of its own because MLflow takes 150 MB and seconds to import: the supervisor starts
it when there is work, and ends it (by closing its input) when there is none.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from jupyter_deploy.core.manifest import RegisteredModel
from jupyter_deploy.errors import DeployError
from jupyter_deploy.registry import listing
from jupyter_deploy.registry.fetch import fetch
from jupyter_deploy.registry.sync import Order, carry_out


def main(orders: TextIO, answers: TextIO) -> None:
    """Carry out each line of `orders` until they end."""
    for line in orders:
        if line.strip():
            answers.write(json.dumps(_answer(line)) + "\n")
            answers.flush()


def _answer(line: str) -> dict[str, Any]:
    identity = None
    try:
        fields = json.loads(line)
        identity = fields.pop("id")
        done = _done(fields)
    except Exception as error:  # noqa: BLE001 - the answer says so, and the next order may be fine
        why = error.detail if isinstance(error, DeployError) else f"{type(error).__name__}: {error}"
        return {"id": identity, "ok": False, "error": why}
    return {"id": identity, "ok": True} | done


def _done(fields: dict[str, Any]) -> dict[str, Any]:
    folder = fields.pop("folder", None)
    if folder is not None:
        fetch(RegisteredModel(**fields), Path(folder))
        return {}
    if "name" in fields:
        return asdict(carry_out(Order(**fields)))
    return {"models": [asdict(one) for one in listing.models(fields["tracking_uri"])]}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever MLflow prints goes to the log; only answers go to the supervisor.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(sys.stdin, output)
    # Every order is carried out, and to take MLflow apart takes seconds.
    os._exit(0)
