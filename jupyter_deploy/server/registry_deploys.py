"""Deploys of registered models that a person asks for without a notebook.

Rule 1: the model's code is loaded in a process of its own and never in the server; no token of
Jupyter's reaches it.  Rule 2: such a process outlives the server, and what it began it ends or
undoes.  Rule 3: nothing is kept but how far the last ones are; what was deployed is the
supervisor's to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from jupyter_deploy.client import paths
from jupyter_deploy.client.discovery import child_environment
from jupyter_deploy.client.models import StepStatus
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.errors import NotFound, Unavailable, UsageError

REMEMBERED = 20
_URI = re.compile(r"models:/[^/@\s]+/[0-9]+")
_DIED = "The process that deployed has ended without saying why."
_LOG = "logs/registry-deploys.log under JUPYTER_DEPLOY_HOME may say more."


@dataclass(frozen=True, slots=True)
class RegistryDeploy:
    """How far the deploy of a registered model is; `detail` and `fix` say why it failed."""

    deploy_id: str
    uri: str
    name: str
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    steps: tuple[StepStatus, ...] = ()
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class RegistryOrder:
    """Which registered model a person wants as a version of which endpoint."""

    uri: str
    name: str
    stage: bool = False

    @classmethod
    def read(cls, body: object) -> RegistryOrder:
        """The order in a request's body.  Raises UsageError."""
        try:
            order = msgspec.convert(body, cls)
        except msgspec.ValidationError as error:
            raise UsageError(f"The order cannot be read: {error}.", "Send uri and name.") from error
        if not _URI.fullmatch(order.uri):
            fix = "Send models:/NAME/NUMBER."
            raise UsageError(f"{order.uri!r} is no registered version.", fix)
        endpoint_name(order.name)
        return order


def heard(known: RegistryDeploy, line: bytes) -> RegistryDeploy:
    """What is known after a line of the process; a line that is none changes nothing."""
    try:
        told = msgspec.json.decode(line, type=_Line)
    except msgspec.MsgspecError:
        return known
    if told.ended is None:
        return replace(known, steps=told.steps)
    problem = told.problem
    detail, fix = str(problem.get("detail", "")), str(problem.get("fix", ""))
    return replace(known, state=told.ended, detail=detail, fix=fix)


class _Line(msgspec.Struct):
    steps: tuple[StepStatus, ...] = ()
    ended: Literal["done", "failed", "cancelled"] | None = None
    problem: dict[str, Any] = {}


class RegistryDeploys:
    """The deploys that this server has started; `tell` is called with an endpoint that changed."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._known: dict[str, RegistryDeploy] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def known(self) -> list[RegistryDeploy]:
        """Those that run, and the last that have ended, newest first."""
        return list(reversed(self._known.values()))

    async def start(self, order: RegistryOrder, user: str) -> RegistryDeploy:
        """Begin to deploy, in the name of `user`.  Raises Unavailable."""
        deploy = RegistryDeploy(secrets.token_hex(8), order.uri, order.name)
        process = await _process()
        assert process.stdin is not None
        told = {"uri": order.uri, "name": order.name, "stage": order.stage, "user": user}
        process.stdin.write(msgspec.json.encode(told) + b"\n")
        process.stdin.close()
        self._processes[deploy.deploy_id] = process
        self._set(deploy)
        task = asyncio.create_task(self._follow(deploy.deploy_id, process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return deploy

    def end(self, deploy_id: str) -> None:
        """Cancel one that runs; forget one that has ended.  Raises NotFound."""
        deploy = self._known.get(deploy_id)
        if deploy is None:
            raise NotFound("deploy", deploy_id)
        if deploy.state == "running":
            with contextlib.suppress(ProcessLookupError):
                self._processes[deploy_id].send_signal(signal.SIGINT)
            return
        del self._known[deploy_id]
        self._tell(deploy.name)

    async def leave(self) -> None:
        """Follow them no longer; they go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, deploy_id: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            # Once it has ended, a person may have had it forgotten.
            if (known := self._known.get(deploy_id)) is not None:
                self._set(heard(known, line))
        await process.wait()
        del self._processes[deploy_id]
        known = self._known.get(deploy_id)
        if known is not None and known.state == "running":
            self._set(replace(known, state="failed", detail=_DIED, fix=_LOG))

    def _set(self, deploy: RegistryDeploy) -> None:
        self._known[deploy.deploy_id] = deploy
        ended = [one for one, known in self._known.items() if known.state != "running"]
        for old in ended[:-REMEMBERED]:
            del self._known[old]
        self._tell(deploy.name)


async def _process() -> asyncio.subprocess.Process:
    try:
        return await _started()
    except Unavailable:
        raise
    except OSError as error:
        why = f"No process can be started for it: {error.strerror or error}."
        raise Unavailable(why, "Make room for it, then try again.") from error


async def _started() -> asyncio.subprocess.Process:
    home = paths.private_folder(paths.home())
    log = paths.private_folder(home / "logs") / "registry-deploys.log"
    log.touch(mode=0o600)
    with log.open("ab") as said:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyter_deploy.pipeline",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            cwd=home,
            env=child_environment(home),
            start_new_session=True,
            limit=1 << 20,
        )
