"""The steps of a deploy that the supervisor does: prove, start, switch.

Rule: until the switch is committed nothing that serves is touched; what fails before leaves a
failed version in the history, and no process.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec

from jupyter_deploy import failpoints
from jupyter_deploy.core.manifest import EXPECTED, MANIFEST, MODEL, SAMPLE, Origin
from jupyter_deploy.core.scaling import Range
from jupyter_deploy.errors import DeployFailed, ReplicaFailed
from jupyter_deploy.registry.fetch import digest, file_digest
from jupyter_deploy.supervisor import proof
from jupyter_deploy.supervisor.channel import SAMPLE_SECONDS
from jupyter_deploy.supervisor.failures import Failure, of_report
from jupyter_deploy.supervisor.launch import Report
from jupyter_deploy.supervisor.parts import Parts
from jupyter_deploy.supervisor.progress import Progress
from jupyter_deploy.supervisor.state import Version
from jupyter_deploy.supervisor.store import writing
from jupyter_deploy.supervisor.traffic import TrafficChanges
from jupyter_deploy.wire.frames import Frame, Kind
from jupyter_deploy.wire.messages import (
    PredictAnswer,
    pack_request,
    unpack_answer,
    unpack_request,
)


class Job:
    """One version on its way to traffic."""

    def __init__(self, parts: Parts, traffic: TrafficChanges, version: Version) -> None:
        self._parts = parts
        self._traffic = traffic
        self._version = version
        self._folder = parts.settings.versions / str(version.number)

    async def run(self, progress: Progress, *, staged: bool, origin: Origin) -> None:
        """All steps.  Raises DeployError."""
        version = self._version
        # One replica first: the one that is proven becomes the first that serves.
        with self._parts.hold(version.number, 1):
            with progress.step("prove") as words:
                words.append(await self._prove(progress))
            count = self._parts.needed(version)
            with self._parts.hold(version.number, count):
                with progress.step("start") as words:
                    failpoints.reach("start in")
                    await self._parts.replicas.settled(version.number, count, step="start")
                    words.append(f"{count} ready and warm{_beyond_cores(version.range)}")
                with progress.step("switch") as words:
                    await self._traffic.switch(version, staged=staged, origin=origin)
                    words.append("warm, no traffic" if staged else "all traffic")

    async def _prove(self, progress: Progress) -> str:
        found = await asyncio.to_thread(digest, self._folder / MODEL)
        if found != self._version.manifest.digest:
            raise DeployFailed(
                "prove",
                "The model's files are not those that were registered.",
                "Run the deploy again.",
            )
        await asyncio.to_thread(self._check_compiled)
        await self._parts.replicas.settled(self._version.number, 1, step="prove")
        failpoints.reach("prove in")
        report = self._parts.replicas.report(self._version.number) or Report()
        if report.not_compiled:
            progress.not_compiled(await self._give_up_compiled(report.not_compiled))
        compiled = self._version.manifest.compiled
        form = "it" if compiled is None else f"it as {compiled.form}"
        loaded = f"a fresh process loaded {form} in {report.load_seconds or 0.0:.1f} s"
        if not (self._folder / SAMPLE).exists():
            return f"{loaded}; without a sample its answers are not compared"
        rows = await self._compare(report)
        return f"{loaded} and gave the same answers to {rows} rows"

    def _check_compiled(self) -> None:
        """Raises DeployFailed when the compiled form is not the one that was compared."""
        form = self._version.manifest.compiled
        if form is None:
            return
        file = self._folder / form.file
        if not file.is_file() or file_digest(file) != form.digest:
            raise DeployFailed(
                "prove", "The compiled form is not the one that was made.", "Run the deploy again."
            )

    async def _give_up_compiled(self, reason: str) -> str:
        """From now on the version is served as is; why, in words."""
        manifest, number = self._version.manifest, self._version.number
        assert manifest.compiled is not None
        why = f"its form {manifest.compiled.form} cannot be loaded in a fresh process: {reason}"
        manifest = replace(manifest, compiled=None)
        await self._parts.store.change(lambda c: writing.manifest(c, number, manifest))
        self._version = replace(self._version, manifest=manifest)
        await asyncio.to_thread(
            (self._folder / MANIFEST).write_bytes, msgspec.json.encode(manifest)
        )
        return why

    async def _compare(self, report: Report) -> int:
        """Compare the replica's answers with the notebook's; how many rows.

        Raises NotReproduced or ReplicaFailed.
        """
        payload, rows = await asyncio.to_thread(_sample, self._folder / SAMPLE)
        expected = await asyncio.to_thread(_answer_in, self._folder / EXPECTED)
        got = await self._ask(payload, report)
        form = self._version.manifest.compiled
        within = proof.TOLERANCE if form is None else form.tolerance
        differing = proof.differing_rows(expected, got, within)
        if not differing:
            return rows
        again = await self._ask(payload, report)
        manifest = self._version.manifest
        raise proof.not_reproduced(
            differing,
            expected=manifest.packages,
            found=report.packages,
            steady=not proof.differing_rows(got, again),
            function=manifest.loader.function,
        )

    async def _ask(self, payload: bytes, report: Report) -> PredictAnswer:
        number = self._version.number
        try:
            channel = self._parts.replicas.channel(number)
            frame = await channel.ask(Kind.PREDICT, payload, SAMPLE_SECONDS)
        except (LookupError, OSError) as error:
            detail = "The fresh process ended, or did not answer, when it got the sample."
            log = self._parts.replicas.last_lines(number)
            raise ReplicaFailed("prove", detail, "The log's last lines say more.", log) from error
        if frame.kind is not Kind.PREDICTED:
            raise self._raised(frame, report).error("prove")
        return unpack_answer(frame.payload)

    def _raised(self, frame: Frame, report: Report) -> Failure:
        said = json.loads(bytes(frame.payload) or b"{}")
        raised = replace(
            report, type=str(said.get("type", "")), message=str(said.get("message", ""))
        )
        reason = f"In a fresh process the model raises {raised.type}: {raised.message}"
        fix = of_report(raised, self._version.manifest.packages)
        return Failure(reason[:400], fix, tuple(str(said.get("trace", "")).splitlines()[-15:]))


def _beyond_cores(limits: Range) -> str:
    cores = os.cpu_count() or 1
    if not limits.scales or limits.most <= cores:
        return ""
    return f"; up to {limits.most} share {cores} cores, more than one for each is seldom faster"


def _sample(file: Path) -> tuple[bytes, int]:
    """The request in `file` with time enough to answer it, and its number of rows."""
    request = unpack_request(memoryview(file.read_bytes()))
    return pack_request(replace(request, seconds_left=SAMPLE_SECONDS)), request.rows


def _answer_in(file: Path) -> PredictAnswer:
    return unpack_answer(memoryview(file.read_bytes()))
