"""The deploy, from the kernel's side: contract, package, register; then the supervisor's steps.

Rule 1: until the staging folder is submitted, whatever goes wrong (and a cell that is interrupted)
leaves nothing: the ticket is given back and the MLflow version removed.  Rule 2: after that the
supervisor decides, and what served goes on serving until it has.  Rule 3: what a kernel that is
killed leaves is in folders that say whose they are, and in MLflow under the deploy's id: the
supervisor removes it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from jupyter_deploy.client.models import (
    BeginDeploy,
    DeployOptions,
    DeployStatus,
    DeployTicket,
    EndpointStatus,
    SubmitDeploy,
)
from jupyter_deploy.client.paths import home, private_folder
from jupyter_deploy.client.scratch import scratch_folder
from jupyter_deploy.core.manifest import (
    EXPECTED,
    LOCK,
    MANIFEST,
    MODEL,
    SAMPLE,
    Manifest,
    Origin,
    RegisteredModel,
)
from jupyter_deploy.core.names import EndpointName, endpoint_name
from jupyter_deploy.errors import Conflict, DeployError, DeployFailed
from jupyter_deploy.pipeline import converting
from jupyter_deploy.pipeline.compiling import Outcome, compile_forms
from jupyter_deploy.pipeline.environment import replica_environment
from jupyter_deploy.pipeline.prepare import Prepared, prepare
from jupyter_deploy.pipeline.progress import Listener, Progress
from jupyter_deploy.pipeline.resolve import SubjectKind, is_uri, resolve
from jupyter_deploy.pipeline.source import subject_from_mlflow
from jupyter_deploy.registry import fetch, location, package, packages, travel
from jupyter_deploy.replica.work import imported_packages
from jupyter_deploy.wire.messages import PredictAnswer, PredictRequest, pack_answer, pack_request

FOLLOW_SECONDS = 3600.0
_POLL_SECONDS = 10.0
_PROOF_SECONDS = 600.0


class Supervisor(Protocol):
    """The part of `client.control.ControlClient` that a deploy needs."""

    def begin_deploy(self, name: str, body: BeginDeploy, /) -> DeployTicket:
        """Take the endpoint and a version number."""

    def submit_deploy(self, deploy_id: str, body: SubmitDeploy, /) -> DeployStatus:
        """The staging folder is complete."""

    def abort_deploy(self, deploy_id: str) -> DeployStatus:
        """Give the endpoint back."""

    def deploy_status(self, deploy_id: str, after: int = -1, wait: float = 0.0) -> DeployStatus:
        """How far it is; waits for a revision above `after`."""

    def endpoint(self, name: str) -> EndpointStatus:
        """The endpoint as it is now."""


@dataclass(frozen=True)
class Deployed:
    """A deploy that went well; `notes` are for the card."""

    ticket: DeployTicket
    manifest: Manifest
    status: DeployStatus
    endpoint: EndpointStatus
    notes: list[str] = field(default_factory=list)


class StoppedTooLate(KeyboardInterrupt):
    """The person stopped a deploy that could not be stopped any more; `deployed` is its end."""

    def __init__(self, deployed: Deployed) -> None:
        super().__init__("The traffic was being switched already.")
        self.deployed = deployed


def run(
    model: Any,
    name: str,
    *,
    sample: Any = None,
    namespace: Mapping[str, Any] | None = None,
    options: DeployOptions | None = None,
    origin: Origin,
    client: Supervisor,
    progress: Listener = lambda _: None,
) -> Deployed:
    """Deploy `model` (an estimator, a function or an MLflow URI) as the endpoint `name`.

    `namespace` are the notebook's variables, where a sample is looked for when none is given;
    `progress` gets all steps at each change.  Raises what can be wrong with name, model or sample
    (UsageError), DeployInProgress, VersionExists, DeployFailed and its kinds, or Unavailable; and
    StoppedTooLate.
    """
    endpoint = endpoint_name(name)
    options = options or DeployOptions()
    if options.compile:
        converting.check_installed()
    steps = Progress(progress, time.monotonic)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder(_staging()))
        with steps.step("contract") as say:
            prepared = _prepared(model, sample, namespace, scratch)
            say(prepared.origin)
            compiled = compile_forms(prepared, scratch) if options.compile else None
            deploy = stack.enter_context(_Deploy(client, endpoint, prepared, scratch, compiled))
            ticket = deploy.begin(origin, options)
        manifest = deploy.submit(steps)
    notes = [*prepared.notes, *_version_notes(ticket), *deploy.notes]

    def deployed(status: DeployStatus) -> Deployed:
        served, form = manifest, [] if compiled is None else [compiled.note()]
        if status.not_compiled:
            served = replace(manifest, compiled=None)
            form = [f"the model is served as is: {status.not_compiled}"]
        ended = replace(status, steps=steps.steps)
        return Deployed(ticket, served, ended, client.endpoint(endpoint), [*notes, *form])

    try:
        return deployed(_followed(client, ticket, steps, time.monotonic() + FOLLOW_SECONDS))
    except KeyboardInterrupt:
        ended = _stopped(client, ticket.deploy_id)
        if ended is None or ended.state != "done":
            raise
        steps.take_over(ended.steps)
        raise StoppedTooLate(deployed(ended)) from None


def _prepared(
    model: Any, sample: Any, namespace: Mapping[str, Any] | None, scratch: Path
) -> Prepared:
    if is_uri(model):
        subject = subject_from_mlflow(model, scratch / "source", location.resolve("", home()))
    else:
        subject = resolve(model)
    return prepare(subject, sample, namespace, time.monotonic)


class _Deploy:
    """The kernel's part after the contract; whoever leaves the block half-way leaves nothing."""

    def __init__(
        self,
        client: Supervisor,
        name: EndpointName,
        prepared: Prepared,
        scratch: Path,
        compiled: Outcome | None = None,
    ) -> None:
        self._client = client
        self._id = secrets.token_hex(8)
        self._name = name
        self._prepared = prepared
        self._scratch = scratch
        self._compiled = compiled
        self._begun = self._handed_over = False
        self._registered: RegisteredModel | None = None
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is not None and self._begun:
            self._undo()

    def begin(self, origin: Origin, options: DeployOptions) -> DeployTicket:
        """Take the endpoint and a version number."""
        body = BeginDeploy(
            contract=self._prepared.contract,
            origin=origin,
            options=options,
            python=sys.executable,
            environment=replica_environment(os.environ),
            deploy_id=self._id,
        )
        # Before the answer: it may be lost on its way.
        self._begun = True
        self._ticket = self._client.begin_deploy(self._name, body)
        self._id = self._ticket.deploy_id
        return self._ticket

    def submit(self, steps: Progress) -> Manifest:
        """Package, register, fill the staging folder and hand it over."""
        with steps.step("package") as say:
            packaged = self._package(say)
        with steps.step("register") as say, _writable():
            manifest = self._register(packaged, say)
            self._handed_over = True
            self._client.submit_deploy(self._id, SubmitDeploy(manifest))
        return manifest

    def _package(self, say: Callable[[str], None]) -> package.Packaged | None:
        subject, contract = self._prepared.subject, self._prepared.contract
        if subject.kind is SubjectKind.MLFLOW:
            say("as it is in MLflow")
            return None
        function = subject.kind is SubjectKind.FUNCTION
        write = package.package_function if function else package.package_estimator
        folder = self._scratch / "package"
        packaged = write(subject.model, contract, folder, example=self._prepared.some_rows)
        if packaged.by_value:
            self.notes.append(f"travels by value: {', '.join(packaged.by_value)}")
        say(packaged.format)
        return packaged

    def _register(self, packaged: package.Packaged | None, say: Callable[[str], None]) -> Manifest:
        uri = location.resolve(self._ticket.tracking_uri, home())
        version = self._ticket.version
        if packaged is None:
            source = self._prepared.subject.source
            registered = package.register_source(source, self._name, version, uri, self._id)
        else:
            registered = package.register(packaged, self._name, version, uri, self._id)
        self._registered = registered
        staging = Path(self._ticket.staging)
        fetch.fetch(registered, staging / MODEL)
        manifest = self._manifest(registered, staging / MODEL)
        _fill(staging, self._prepared, manifest)
        if self._compiled is not None and self._compiled.file is not None:
            shutil.copyfile(self._compiled.file, staging / self._compiled.file.name)
        say(f"{self._name} {version} is version {registered.version} in MLflow")
        return manifest

    def _manifest(self, registered: RegisteredModel, folder: Path) -> Manifest:
        return Manifest(
            contract=self._prepared.contract,
            loader=fetch.loader_of(folder),
            registered=registered,
            python=sys.executable,
            digest=fetch.digest(folder),
            environment=replica_environment(os.environ),
            example=self._prepared.example,
            sample_origin=self._prepared.origin,
            packages=imported_packages(),
            batchable=self._prepared.batchable,
            compiled=None if self._compiled is None else self._compiled.chosen,
            trials=() if self._compiled is None else self._compiled.trials,
        )

    def _undo(self) -> None:
        # What went wrong is what the person must read, not that the clearing up failed as well.
        with contextlib.suppress(DeployError):
            if not self._handed_over:
                # First: as long as the deploy is open, the supervisor would do it in our place.
                self._discard()
            ended = self._client.abort_deploy(self._id).state != "done"
            if self._handed_over and ended:
                self._discard()
            return
        _give_up(self._id)

    def _discard(self) -> None:
        if self._registered is not None:
            with contextlib.suppress(DeployError):
                package.discard(self._registered)


def _staging() -> Path:
    return private_folder(private_folder(home()) / "staging")


def _give_up(deploy_id: str) -> None:
    """Remove the staging folder: the next supervisor ends an open deploy that has none."""
    shutil.rmtree(_staging() / deploy_id, ignore_errors=True)


@contextlib.contextmanager
def _writable() -> Iterator[None]:
    """A full disk or a folder without access, in the words of a failed deploy."""
    try:
        yield
    except DeployError:
        raise
    except OSError as error:
        raise DeployFailed(
            "register",
            f"The version cannot be written: {error.strerror or error}.",
            "Free some space under JUPYTER_DEPLOY_HOME, then run the command again.",
        ) from error


def _fill(staging: Path, prepared: Prepared, manifest: Manifest) -> None:
    """Write what belongs to the version beside its model."""
    lock = staging / MODEL / LOCK  # not there when the model came from MLflow
    text = lock.read_text() if lock.is_file() else travel.lock(packages.installed())
    (staging / LOCK).write_text(text)
    if prepared.answer is not None:
        request = PredictRequest(prepared.arrays, prepared.rows, _PROOF_SECONDS)
        (staging / SAMPLE).write_bytes(pack_request(request))
        answer = prepared.answer
        packed = PredictAnswer(
            answer.names, list(answer.arrays), 0.0, answer.rowwise, answer.columns
        )
        (staging / EXPECTED).write_bytes(pack_answer(packed))
    (staging / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def _followed(
    client: Supervisor, ticket: DeployTicket, steps: Progress, until: float
) -> DeployStatus:
    """The end of a submitted deploy.  Raises its problem."""
    status = client.deploy_status(ticket.deploy_id)
    steps.take_over(status.steps)
    while status.state in ("open", "running"):
        if time.monotonic() > until:
            raise DeployFailed("start", "The deploy does not come to an end.", "Look at logs.")
        status = client.deploy_status(ticket.deploy_id, status.revision, _POLL_SECONDS)
        steps.take_over(status.steps)
    if status.state == "done":
        return status
    if status.problem is not None:
        raise DeployError.from_problem(status.problem)
    raise DeployFailed("", f"The deploy of {ticket.name} {ticket.version} was {status.state}.")


def _stopped(client: Supervisor, deploy_id: str) -> DeployStatus | None:
    """What a deploy that a person has stopped came to: one that is switching comes to its end.

    None when the supervisor does not say.
    """
    with contextlib.suppress(DeployError):
        try:
            return client.abort_deploy(deploy_id)
        except Conflict:
            status = client.deploy_status(deploy_id)
            if status.state != "running":
                return status
            return client.deploy_status(deploy_id, status.revision, _POLL_SECONDS)
    return None


def _version_notes(ticket: DeployTicket) -> list[str]:
    if not ticket.breaking:
        return []
    return [f"{ticket.version} is a new major version: {'; '.join(ticket.breaking[:5])}"]
