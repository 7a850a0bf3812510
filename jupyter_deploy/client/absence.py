"""What there is of a home whose supervisor does not answer, and what to do about it.

Rule 1: looking starts nothing and ends nothing.  Rule 2: "nothing runs" is said only where nothing
does: gateway and replicas serve without a supervisor, and somebody has to hear of it.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.client import paths
from jupyter_deploy.client.identity import Supervisor
from jupyter_deploy.client.process_state import is_stopped

#: A gateway that turns its loop says who it is at once.
_ANSWER_SECONDS = 1.0
_START = "`jupyter endpoint start`"


@dataclass(frozen=True, slots=True)
class Absence:
    """The supervisor that last said who it is, if any, and the gateways that serve without it.

    `alive`: its process is there and does not answer; `held`: because a signal has stopped it.
    """

    supervisor: Supervisor | None
    alive: bool
    held: bool
    gateways: tuple[int, ...]
    url: str | None

    @property
    def nothing(self) -> bool:
        """Whether nothing runs: none was started, or it was stopped."""
        return self.supervisor is None and not self.gateways

    @property
    def what(self) -> str:
        """What has happened, in one or two sentences."""
        if self.supervisor is None:
            said = "No supervisor runs for this home."
        elif self.held:
            said = f"The supervisor (pid {self.supervisor.pid}) is stopped by a signal."
        elif self.alive:
            said = f"The supervisor (pid {self.supervisor.pid}) runs and does not answer."
        else:
            said = f"The supervisor (pid {self.supervisor.pid}) has ended without being stopped."
        if not self.gateways:
            return said
        pids = ", ".join(f"pid {pid}" for pid in self.gateways)
        return f"{said} The gateway ({pids}) goes on without it at {self.url}."

    @property
    def fix(self) -> str:
        """What to do."""
        if self.nothing:
            return f"Run {_START}."
        if self.alive and not self.held:
            return f"{_START} ends it where it stays silent; another one takes over what runs."
        return f"{_START} starts another one, which takes over what runs."


def absence() -> Absence:
    """What there is of JUPYTER_DEPLOY_HOME, where `discovery.running` has found nobody."""
    home = paths.home()
    found = Supervisor.read(home / "supervisor.json")
    alive = found is not None and found.alive()
    held = alive and found is not None and is_stopped(found.pid)
    gateways = tuple(_gateways(paths.run_folder(home))) if hasattr(os, "getuid") else ()
    return Absence(found, alive, held, gateways, _url(home / "snapshot.json") if gateways else None)


def _gateways(folder: Path) -> list[int]:
    import httpx

    found = []
    for path in sorted(folder.glob("gateway*.sock")):
        with (
            contextlib.suppress(httpx.HTTPError, ValueError, KeyError),
            httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), trust_env=False) as client,
        ):
            answer = client.get("http://gateway/stats", timeout=_ANSWER_SECONDS)
            found.append(int(answer.json()["pid"]))
    return found


def _url(snapshot: Path) -> str | None:
    try:
        return str(json.loads(snapshot.read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
