"""What the supervisor is told when it starts, and where it keeps things.

Rule: read once, from traits and environment, into one frozen value; nothing is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jupyter_deploy.client.paths import private_folder
from jupyter_deploy.core import health


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen value for all parts of the supervisor.

    `home` holds what lasts, `run` the sockets (a short path).  Port 0 takes any free port.
    """

    home: Path
    run: Path
    ip: str = "127.0.0.1"
    port: int = 8900
    #: So many processes answer on the port.
    gateway_processes: int = 1
    tracking_uri: str = ""
    replicas: int = 1
    #: The version before keeps its replicas, so that a rollback takes no time.
    standby_warm: bool = True
    #: A replica that has not loaded its model after as long as this is killed.
    start_seconds: float = 180.0
    #: What is in flight when something is stopped may take this much longer.
    drain_seconds: float = 30.0
    timeout_seconds: float = 30.0
    heartbeat_seconds: float = health.ASK_SECONDS
    #: Replicas that nothing has needed for as long as this are stopped, down to the range's least.
    scale_down_seconds: float = 300.0
    log_level: str = "INFO"

    @property
    def state(self) -> Path:
        """The SQLite file."""
        return self.home / "state.db"

    @property
    def metrics(self) -> Path:
        """What endpoints did, by second, minute and hour (SQLite)."""
        return self.home / "metrics.db"

    @property
    def snapshot(self) -> Path:
        """The route snapshot that the gateway reads."""
        return self.home / "snapshot.json"

    @property
    def keys(self) -> Path:
        """One 0600 file for each key."""
        return self.home / "keys"

    @property
    def logs(self) -> Path:
        """Logs of all processes."""
        return self.home / "logs"

    @property
    def errors(self) -> Path:
        """What the gateway writes about failed requests, one file for each endpoint."""
        return self.logs / "errors"

    @property
    def staging(self) -> Path:
        """One folder for each deploy that is open."""
        return self.home / "staging"

    @property
    def versions(self) -> Path:
        """One folder for each version, by its number."""
        return self.home / "versions"

    @property
    def processes(self) -> Path:
        """What each child process was told; its path in an argv says that the process is ours."""
        return self.home / "processes"

    @property
    def socket(self) -> Path:
        """Where the control API listens."""
        return self.run / "supervisor.sock"

    def admin(self, gateway: str) -> Path:
        """Where the process takes orders that has this name."""
        return self.run / f"{gateway}.sock"

    @property
    def shared(self) -> Path:
        """What several gateways share."""
        return self.run / "shared"

    def log_of(self, number: int) -> Path:
        """The log of the replicas of version `number`."""
        return self.logs / f"version-{number}.log"

    def make_folders(self) -> None:
        """Create every folder (0700).  Raises StateUnavailable."""
        for folder in self._folders:
            private_folder(folder)

    def put_back_folders(self) -> None:
        """Create those that somebody has removed since.  Raises OSError."""
        for folder in self._folders:
            folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def _folders(self) -> tuple[Path, ...]:
        own = (self.keys, self.logs, self.errors, self.staging, self.versions, self.processes)
        return (self.home, self.run, *own, self.home / "mlflow")
