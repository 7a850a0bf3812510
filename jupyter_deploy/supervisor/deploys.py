"""Deploys: who may, which number, and what happens to the folder that a kernel has filled.

Rule 1: at most one deploy holds an endpoint, and the store says so; a holder whose process is dead,
or that has removed its staging folder, holds nothing.  Rule 2: a deploy that has ended leaves no
staging folder, and one that failed no files of its version.  Rule 3: what ran when a supervisor
died has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from jupyter_deploy import failpoints
from jupyter_deploy.client.memory import memory
from jupyter_deploy.client.models import (
    BeginDeploy,
    DeployStatus,
    DeployTicket,
    SubmitDeploy,
)
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.errors import (
    Conflict,
    DeployError,
    DeployFailed,
    NotFound,
    StateUnavailable,
    UsageError,
)
from jupyter_deploy.supervisor import holders, numbers, staging
from jupyter_deploy.supervisor.endings import Ending, Loss
from jupyter_deploy.supervisor.job import Job
from jupyter_deploy.supervisor.new_version import new_version
from jupyter_deploy.supervisor.parts import Parts
from jupyter_deploy.supervisor.progress import Outcome, Progress
from jupyter_deploy.supervisor.state import Deploy, Version
from jupyter_deploy.supervisor.store import reading, writing
from jupyter_deploy.supervisor.surroundings import check_memory
from jupyter_deploy.supervisor.ticks import tick
from jupyter_deploy.supervisor.traffic import TrafficChanges

_log = logging.getLogger(__name__)
_SWEEP_SECONDS = 5.0
#: How many deploys that have ended are remembered in memory.
_REMEMBERED = 100
_ID = re.compile(r"[0-9a-f]{16}")


class Deploys:
    """All deploys.  `recover` first; `sweep` runs until cancelled."""

    def __init__(self, parts: Parts, traffic: TrafficChanges) -> None:
        self._parts = parts
        self._traffic = traffic
        self._progress: dict[str, Progress] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._unrecorded: list[Ending] = []
        self._beginning: set[str] = set()
        #: Held while an open deploy is submitted or ended: it is one or the other.
        self._handing = asyncio.Lock()

    # --- what a person asks for -----------------------------------------------------------------

    async def begin(self, name: str, begin: BeginDeploy) -> DeployTicket:
        """The right to deploy, a number and a folder.

        Raises DeployInProgress, VersionExists, UsageError or Unavailable.
        """
        endpoint_name(name)
        check_memory(memory())
        await self._free(name)
        numbered = numbers.number(self._parts.state, name, begin)
        deploy = Deploy(
            deploy_id=_id(begin.deploy_id),
            endpoint=name,
            version=numbered.version,
            state="open",
            since=time.time(),
            origin=begin.origin,
            options=begin.options,
            why=numbered.why,
            previous=None if numbered.previous is None else numbered.previous.version,
            number=None,
        )
        # Until the state knows of the folder, it is not one that was left behind.
        self._beginning.add(deploy.deploy_id)
        try:
            await self._hold(deploy)
        finally:
            self._beginning.discard(deploy.deploy_id)
        self._remember(deploy)
        failpoints.reach("begin after")
        if Path(begin.python).is_absolute():
            # Libraries take seconds to import: that goes on while the kernel packages the model.
            self._parts.launchers.warm(begin.python, begin.environment)
        return DeployTicket(
            deploy_id=deploy.deploy_id,
            name=name,
            version=deploy.version,
            staging=str(self._staging(deploy.deploy_id)),
            tracking_uri=self._parts.settings.tracking_uri,
            previous=deploy.previous,
            why=deploy.why,
            breaking=numbered.breaking,
        )

    async def submit(self, deploy_id: str, submit: SubmitDeploy) -> DeployStatus:
        """Go on from the filled folder.  Raises NotFound, Conflict, UsageError."""
        async with self._handing:
            return await self._submit(deploy_id, submit)

    async def _submit(self, deploy_id: str, submit: SubmitDeploy) -> DeployStatus:
        deploy, progress = self._open(deploy_id), self._progress[deploy_id]
        await asyncio.to_thread(staging.check_filled, self._staging(deploy_id), submit.manifest)
        new = new_version(self._parts.state, self._parts.settings, deploy, submit.manifest)

        def statements(connection: Connection) -> int:
            writing.endpoint(connection, deploy.endpoint)
            number = writing.version(connection, new)
            writing.deploy_runs(connection, deploy_id, number)
            return number

        failpoints.reach("submit before")
        number = await self._parts.store.change(statements)
        failpoints.reach("submit after")
        progress.runs()
        version = self._parts.state.by_number(number)
        assert version is not None
        task = asyncio.create_task(self._run(deploy, version), name=f"deploy {deploy_id}")
        self._jobs[deploy_id] = task
        task.add_done_callback(lambda _: self._jobs.pop(deploy_id, None))
        return progress.status

    async def abort(self, deploy_id: str) -> DeployStatus:
        """End a deploy and remove what it left; one that has ended stays as it is."""
        progress = await self.progress(deploy_id)
        async with self._handing:
            if progress.status.state == "open":
                await self._end_open(deploy_id, "the deploy was given up")
        task = self._jobs.get(deploy_id)
        if task is not None:
            if progress.status.steps[-1].state != "waiting":
                raise Conflict("The deploy is switching traffic now.", "Roll back afterwards.")
            task.cancel()
            await asyncio.wait([task])
        return progress.status

    async def progress(self, deploy_id: str) -> Progress:
        """How far a deploy is.  Raises NotFound."""
        known = self._progress.get(deploy_id)
        if known is not None:
            return known
        outcome = await self._parts.store.read(lambda c: reading.outcome(c, deploy_id))
        if outcome is None:
            raise NotFound("deploy", deploy_id)
        progress = Progress(deploy_id, outcome.name, outcome.version)
        progress.status = outcome
        return progress

    # --- beginning ------------------------------------------------------------------------------

    async def _free(self, name: str) -> None:
        """Return when nobody holds the endpoint.  Raises DeployInProgress, StateUnavailable."""
        # One that has ended while the disk was full holds it until that can be written.
        await self._write_endings()
        held = self._parts.state.deploy_of(name)
        if held is None:
            return
        why = self._left(held)
        if why is None:
            raise holders.in_progress(held)
        await self._end_open(held.deploy_id, why, left=True)

    def _left(self, deploy: Deploy) -> str | None:
        """Why nobody will submit this deploy, or None."""
        if deploy.state == "running":
            return None
        if not self._staging(deploy.deploy_id).is_dir():
            return "it was given up while no supervisor ran"
        return None if holders.alive(deploy, time.time()) else "its process has ended"

    async def _hold(self, deploy: Deploy) -> None:
        folder = self._staging(deploy.deploy_id)
        await asyncio.to_thread(staging.make, folder)
        try:
            failpoints.reach("begin before")
            await self._parts.store.change(lambda connection: self._take(connection, deploy))
        except BaseException:
            await asyncio.to_thread(staging.remove, folder)
            raise

    def _take(self, connection: Connection, deploy: Deploy) -> None:
        # Read in the same transaction: two that begin at once are told apart here.
        held = [
            one for one in reading.state(connection, {}).deploys if one.endpoint == deploy.endpoint
        ]
        if held:
            raise holders.in_progress(held[0])
        writing.deploy(connection, deploy)

    def _remember(self, deploy: Deploy) -> Progress:
        for old in [one for one, progress in self._progress.items() if progress.ended][
            :-_REMEMBERED
        ]:
            del self._progress[old]
        progress = Progress(deploy.deploy_id, deploy.endpoint, deploy.version)
        self._progress[deploy.deploy_id] = progress
        return progress

    def _open(self, deploy_id: str) -> Deploy:
        every = self._parts.state.deploys
        found = next((one for one in every if one.deploy_id == deploy_id), None)
        if found is None:
            raise NotFound("open deploy", deploy_id)
        if found.state != "open":
            raise Conflict("The deploy has been submitted already.", "Wait until it has ended.")
        return found

    def _staging(self, deploy_id: str) -> Path:
        return self._parts.settings.staging / deploy_id

    # --- running --------------------------------------------------------------------------------

    async def _run(self, deploy: Deploy, version: Version) -> None:
        """The job of a deploy, and how it ended.  Nothing escapes but a cancelled switch."""
        progress = self._progress[deploy.deploy_id]
        folder = self._parts.settings.versions / str(version.number)
        try:
            await asyncio.to_thread(
                staging.settle, self._staging(deploy.deploy_id), folder, version
            )
            failpoints.reach("settle after")
            job = Job(self._parts, self._traffic, version)
            await job.run(progress, staged=deploy.options.stage, origin=deploy.origin)
        except asyncio.CancelledError:
            await self._failed(progress, version, _interrupted(), "aborted")
        except DeployError as error:
            await self._failed(progress, version, error)
        except Exception:  # noqa: BLE001 - whatever went wrong ends this deploy and nothing else
            _log.exception("deploy %s", deploy.deploy_id)
            detail = "The supervisor failed in this deploy; logs/supervisor.log says where."
            await self._failed(progress, version, DeployFailed("", detail, "Deploy again."))
        else:
            await self._record(progress, "done")

    async def _failed(
        self, progress: Progress, version: Version, error: DeployError, outcome: Outcome = "failed"
    ) -> None:
        if await self._is_committed(version.number):
            # Only the gateway's word is missing, which comes with its next start.
            await self._record(progress, "done")
            return
        deploy_id = progress.status.deploy_id
        await self._parts.replicas.gone(version.number, self._parts.settings.drain_seconds)
        await asyncio.to_thread(staging.remove, self._parts.settings.versions / str(version.number))
        await asyncio.to_thread(staging.remove, self._staging(deploy_id))
        message = f"{version.endpoint} {version.version} was not deployed: {error.detail}"
        self._parts.journal.add(
            "deploy-failed", message, endpoint=version.endpoint, version=version.version
        )
        problem = error.problem(deploy_id)
        await self._record(progress, outcome, Loss(version.number, error), problem)

    async def _is_committed(self, number: int) -> bool:
        """Whether the switch to a version is; one that was cancelled is waited for."""
        with contextlib.suppress(StateUnavailable):
            await self._parts.store.read(lambda _: None)
        now = self._parts.state.by_number(number)
        return now is not None and now.fate == "good"

    async def _record(
        self,
        progress: Progress,
        outcome: Outcome,
        loss: Loss | None = None,
        problem: dict[str, Any] | None = None,
    ) -> None:
        """Write how a deploy ended, then tell who waits: they find the endpoint free."""
        status = progress.ending(outcome, problem)
        await self._end(progress, Ending(status, loss))

    async def _end(self, progress: Progress, ending: Ending) -> None:
        status = ending.status
        try:
            failpoints.reach("end before")
            await self._parts.store.change(ending.write)
        except Exception as failed:  # noqa: BLE001 - whatever it is, who waits is told of the end
            _log.warning("the end of deploy %s is not written yet: %s", status.deploy_id, failed)
            self._unrecorded.append(ending)
        try:
            failpoints.reach("end after")
        finally:
            progress.ends(status)

    async def _end_open(self, deploy_id: str, why: str, *, left: bool = False) -> None:
        """End a deploy that has not been submitted; one that was left may be in MLflow already."""
        progress = await self.progress(deploy_id)
        error = DeployFailed("", f"The deploy ended before it was submitted: {why}.")
        await asyncio.to_thread(staging.remove, self._staging(deploy_id))
        status = progress.ending("aborted", error.problem(deploy_id))
        uri = self._parts.settings.tracking_uri if left else ""
        await self._end(progress, Ending(status, None, uri))
        self._parts.registrar.changed()

    # --- tidying --------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Take up what an earlier supervisor has left: open deploys stay, running ones failed."""
        for deploy in self._parts.state.deploys:
            self._remember(deploy)
            if deploy.state == "running":
                await self._end_lost(deploy, "The supervisor ended while this deploy ran.")
        await self._tidy()

    async def sweep(self) -> None:
        """Every few seconds: end what dead processes hold, and write what could not be written."""
        while True:
            await tick(_SWEEP_SECONDS)
            try:
                await self._tidy()
            except StateUnavailable as error:
                _log.warning("deploys cannot be tidied now: %s", error)

    async def _end_lost(self, deploy: Deploy, detail: str) -> None:
        """End a deploy that runs, and that nobody works on."""
        progress = self._progress[deploy.deploy_id]
        progress.runs()
        version = self._parts.state.by_number(deploy.number or 0)
        assert version is not None, "a deploy that runs has a version"
        await self._failed(progress, version, DeployFailed("", detail, "Run the deploy again."))

    def _is_lost(self, deploy: Deploy) -> bool:
        progress = self._progress.get(deploy.deploy_id)
        works = deploy.deploy_id in self._jobs or progress is None or progress.ended
        return deploy.state == "running" and not works

    async def _tidy(self) -> None:
        await self._write_endings()
        async with self._handing:  # one that is being submitted has no job yet
            for deploy in filter(self._is_lost, self._parts.state.deploys):
                detail = "The supervisor failed as it began; logs/supervisor.log says where."
                await self._end_lost(deploy, detail)
        for deploy in self._parts.state.deploys:
            why = self._left(deploy)
            if why is not None:
                await self._end_open(deploy.deploy_id, why, left=True)
        # Found first: what is made from now on is of a deploy that is only beginning.
        found = await asyncio.to_thread(staging.folders, self._parts.settings.staging)
        held = {deploy.deploy_id for deploy in self._parts.state.deploys} | self._beginning
        await asyncio.to_thread(staging.remove_others, found, held)

    async def _write_endings(self) -> None:
        for ending in list(self._unrecorded):
            await self._parts.store.change(ending.write)
            if ending in self._unrecorded:
                self._unrecorded.remove(ending)

    async def stop(self) -> None:
        """End what runs; it has failed."""
        jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        if jobs:
            await asyncio.wait(jobs)


def _id(wanted: str) -> str:
    if wanted and _ID.fullmatch(wanted) is None:
        raise UsageError("The id of a deploy is 16 hexadecimal digits.", "Leave it out.")
    return wanted or secrets.token_hex(8)


def _interrupted() -> DeployFailed:
    return DeployFailed("", "The deploy was given up while it ran.", "Run it again.")
