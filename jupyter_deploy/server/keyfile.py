"""POST /jupyter-deploy/api/secret: the key in a file that the supervisor wrote, for the clipboard.

Rule 1: only a 0600 file of ours that lies in HOME/keys is read; a link is not followed.  Rule 2:
the secret is in the answer to a person who asked for it, who may do so, and nowhere else: the
request is a POST, so that Jupyter checks XSRF, and neither path nor answer is logged.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.web import authenticated

from jupyter_deploy.errors import DeployError, NotFound, UsageError
from jupyter_deploy.server.forward import json_body, problem

MAX_BYTES = 1024


def read_key(told: str, keys: Path) -> str:
    """The key in the file `told`, which lies in the folder `keys`.

    Raises NotFound: there is no such file there.  It says no more about any other file.
    """
    file = Path(told)
    if file.parent != keys or file.name in ("", ".", ".."):
        raise NotFound("key file", file.name)
    try:
        # Without O_NONBLOCK a pipe of that name would hold the thread for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(file, flags)
    except (OSError, ValueError) as error:  # no path at all: it holds a NUL
        raise NotFound("key file", file.name) from error
    with os.fdopen(descriptor, "rb") as opened:
        if not _is_private(os.fstat(descriptor)):
            raise NotFound("key file", file.name)
        return opened.read(MAX_BYTES).decode("ascii").strip()


def _is_private(status: os.stat_result) -> bool:
    mode = status.st_mode
    return stat.S_ISREG(mode) and status.st_uid == os.getuid() and not mode & 0o077


class SecretHandler(ExtensionHandlerMixin, APIHandler):
    """POST {"file"}: {"secret"}."""

    auth_resource = "jupyter_deploy"

    @authenticated
    @authorized(action="execute")
    async def post(self) -> None:
        """Read a key's file."""
        self.set_header("Cache-Control", "no-store")
        try:
            secret = await asyncio.to_thread(read_key, self._file(), _keys_folder())
        except DeployError as error:
            answer = problem(error)
            self.set_status(answer.status)
            self.finish(answer.body, set_content_type=answer.content_type)
            return
        self.finish(json.dumps({"secret": secret}))

    def _file(self) -> str:
        body = json_body(self.request.body)
        file = body.get("file") if isinstance(body, dict) else None
        if not isinstance(file, str):
            raise UsageError("The body does not name a file.", 'Send {"file": PATH}.')
        return file


def _keys_folder() -> Path:
    from jupyter_deploy.client import paths

    return paths.home() / "keys"
