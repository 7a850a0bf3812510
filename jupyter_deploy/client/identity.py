"""Who the supervisor of a home is: what it writes of itself, and others read.

Rule: a pid is believed only together with its start time.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_deploy.client.process_start import lives


@dataclass(frozen=True, slots=True)
class Supervisor:
    """What supervisor.json says."""

    pid: int
    pid_started: float
    socket: str
    version: str

    def alive(self) -> bool:
        """Whether the process that wrote this still runs (and is no other with its pid)."""
        return lives(self.pid, self.pid_started)

    def write(self, file: Path) -> None:
        """Write this (0600), whole or not at all.  Raises OSError."""
        said = json.dumps(asdict(self))
        temporary = file.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)
            temporary.touch(mode=0o600)
            temporary.write_text(said)
            temporary.replace(file)
        except OSError:
            # On a full disk there is no room for a second file, but for the same one again.
            with file.open("r+") as stream:
                stream.write(said.ljust(os.fstat(stream.fileno()).st_size))

    @classmethod
    def read(cls, file: Path) -> Supervisor | None:
        """What `file` says, or None when it is missing or not ours."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
