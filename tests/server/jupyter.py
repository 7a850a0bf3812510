"""A real Jupyter server with the extension, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support import wait_until

TOKEN = "a-token-of-the-tests"
BASE = "/user/jo%40x.org/a%20b/"
API = "jupyter-deploy/api/"
#: Ours alone: what else is installed takes seconds to start.
EXTENSIONS = {
    "jupyter_deploy": True,
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "jupyterlab": False,
    "notebook_shim": False,
}
#: Lets a test take rights away while the server runs: it reads them from a file.  And there are
#: people with names, as a hub has them: who has the token may say in a header who it is.
CONFIG = """
from pathlib import Path
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import PasswordIdentityProvider, User

class Rights(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "jupyter_deploy" or action in Path({rights!r}).read_text().split()

class People(PasswordIdentityProvider):
    async def get_user_token(self, handler):
        user = await super().get_user_token(handler)
        person = handler.request.headers.get("X-Person")
        return User(person) if user and person else user

c.ServerApp.authorizer_class = Rights
c.ServerApp.identity_provider_class = People
"""


@dataclass
class JupyterServer:
    """A Jupyter server in a process of its own."""

    folder: Path
    autostart: bool = True
    #: Jupyter asks for a login itself where a handler does not; with False only what handlers ask
    #: for counts.
    strict: bool = True
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        for name in ("config", "data", "runtime", "root"):
            (self.folder / name).mkdir(parents=True)
        self.allow("read write execute")
        config = CONFIG.format(rights=str(self.folder / "rights"))
        (self.folder / "config" / "jupyter_server_config.py").write_text(config)
        self.start()

    def start(self, port: int = 0) -> None:
        """Start it, again at the port where it was if one is given."""
        at = [f"--ServerApp.port={port}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *self._arguments(), *at],
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder / "root",
            )
        try:
            self.url = wait_until(self._address, 60.0) + API
        except BaseException:
            self.process.kill()
            raise

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def allow(self, rights: str) -> None:
        (self.folder / "rights").write_text(rights)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(30)

    def _address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        for file in (self.folder / "runtime").glob("jpserver-*.json"):
            # Jupyter writes it in place, so it may be half there, and listens only after that.
            with contextlib.suppress(ValueError, ConnectionError):
                port = json.loads(file.read_text())["port"]
                socket.create_connection(("127.0.0.1", port)).close()
                return f"http://127.0.0.1:{port}{BASE}"
        return ""

    def _arguments(self) -> list[str]:
        return [
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.base_url={BASE}",
            f"--ServerApp.allow_unauthenticated_access={not self.strict}",
            f"--ServerApp.jpserver_extensions={EXTENSIONS}",
            f"--DeployExtension.autostart={self.autostart}",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTER_TOKEN": TOKEN,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
