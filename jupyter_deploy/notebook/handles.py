"""What a person holds: `deploy(...)` gives a Deployment, `endpoint("churn")` an Endpoint.

Rule 1: a handle keeps a name, a URL and the path of a key; everything else is asked of the
supervisor, each time.  Rule 2: predicting needs the gateway alone.  Rule 3: nothing here needs
IPython; with it, `deploy` shows its progress and then one card.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.inference import InferenceClient
from jupyter_deploy.client.models import ChangeTraffic, DeployOptions, EndpointStatus, VersionStatus
from jupyter_deploy.core.limits import parse_duration
from jupyter_deploy.core.names import endpoint_name
from jupyter_deploy.core.scaling import parse_range
from jupyter_deploy.core.series import DAY, MINUTE
from jupyter_deploy.core.versions import Bump, parse_version
from jupyter_deploy.errors import DeployError, Unavailable, UsageError
from jupyter_deploy.notebook import cards, session
from jupyter_deploy.notebook.card import Card, Mark, Tone
from jupyter_deploy.notebook.deploying import Finished, run
from jupyter_deploy.notebook.keys import Keys
from jupyter_deploy.notebook.progress import show
from jupyter_deploy.notebook.shown import Changed, Endpoints, Errors, Metrics, Shown, Told, Versions

_LONGEST_WINDOW = 90 * DAY


class Endpoint(Shown):
    """A stable name and URL that callers use.

    Made by `endpoint(name)`.  Attributes and the card are what the supervisor says now.
    """

    def __init__(self, status: EndpointStatus) -> None:
        self.name = status.name
        self._url = status.url
        self._key_file = status.key_file

    def status(self) -> EndpointStatus:
        """All that the supervisor knows of it.  Raises NotFound or SupervisorUnavailable."""
        with connect() as client:
            status = client.endpoint(self.name)
        self._url, self._key_file = status.url, status.key_file
        return status

    @property
    def url(self) -> str:
        """Where callers find it; predictions are asked for at `url + "/invocations"`."""
        return self.status().url

    @property
    def state(self) -> str:
        """Whether it is "serving", "degraded" (none of its processes lives) or "stopped"."""
        return self.status().state

    @property
    def version(self) -> str | None:
        """The version that gets the traffic, or None."""
        return self.status().active

    active = version

    @property
    def standby(self) -> str | None:
        """The version that is warm and gets no traffic, or None."""
        return self.status().standby

    @property
    def key_file(self) -> Path | None:
        """The 0600 file with the key that this notebook uses."""
        file = self.status().key_file
        return None if file is None else Path(file)

    @property
    def versions(self) -> Versions:
        """Its history, oldest first; `versions["1.0.0"]` is one version."""
        history = sorted(self.status().versions, key=lambda version: version.created_at)
        return Versions(self.name, history)

    @property
    def errors(self) -> Errors:
        """The last requests that failed on our side; `errors["<request id>"]` has the trace."""
        with connect() as client:
            return Errors(self.name, client.errors(self.name, limit=200))

    @property
    def keys(self) -> Keys:
        """Its keys, with `create`, `rotate` and `revoke`."""
        return Keys(self.name)

    def metrics(self, window: str | None = None) -> Metrics:
        """What it did in the last `window` ("1m" to "90d"; "1h" unless said): counts and figures.

        Raises InvalidDuration or UsageError.
        """
        seconds = parse_duration(window or "1h")
        if not MINUTE <= seconds <= _LONGEST_WINDOW:
            raise UsageError(f"A window of {window} is not kept.", "Take 1m to 90d.")
        with connect() as client:
            return Metrics(client.metrics(self.name, seconds))

    def predict(
        self, data: Any, *, version: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """What the model's own predict would give for `data`, from the API as callers use it.

        `version` asks for one version that is still running.  Raises BadInput and the other
        RequestErrors, and Unavailable when nothing answers.
        """
        try:
            return self._caller().predict(self.name, data, version=version, params=params)
        except Unavailable:
            before = self._url
            if self.status().url == before:
                raise
        # The port has changed since: the endpoints were started again.
        return self._caller().predict(self.name, data, version=version, params=params)

    def rollback(self, to: str | None = None) -> Changed:
        """Give all traffic to the version before, or to version `to`.

        Raises NothingToRollBackTo or NotFound.
        """
        with connect() as client:
            return Changed(client.rollback(self.name, _change(to)), "rolled back")

    def promote(self, version: str | None = None) -> Changed:
        """Give all traffic to the standby, or to `version`.  Raises NotFound or Conflict."""
        with connect() as client:
            return Changed(client.promote(self.name, _change(version)), "promoted")

    def undeploy(self) -> Told:
        """Stop serving it; its history and its keys stay."""
        with connect() as client:
            active = client.endpoint(self.name).active
            stopped = client.undeploy(self.name, session.origin())
        return Told(cards.undeployed(stopped, active))

    def card(self) -> Card:
        """What the supervisor says now."""
        try:
            return cards.endpoint(self.status())
        except DeployError as error:
            return Card(self.name, Mark("unknown", Tone.WARN), str(error))

    def _caller(self) -> InferenceClient:
        if self._key_file is None:
            raise Unavailable(
                f"This notebook has no key for {self.name!r}.",
                f"Create one with `%apikey create {self.name} --consumer WHO`.",
            )
        base = self._url.removesuffix(f"/endpoints/{self.name}")
        return _inference_client(base, Path(self._key_file))


class Deployment(Shown):
    """What a deploy has made: version `version` of endpoint `name`.

    `notes` says what to know about it, `comparison` which forms `compile` tried, a line for each;
    `print` shows the whole card.  `predict` asks the endpoint, as any caller does: after a
    rollback that is another version.  A staged version has no traffic, so there it asks this one.
    """

    def __init__(self, finished: Finished, *, staged: bool, shown_in: str) -> None:
        self.name = finished.endpoint.name
        self.version = finished.version.version
        self.notes = finished.notes
        self.comparison = finished.comparison()
        self.endpoint = Endpoint(finished.endpoint)
        self.curl = finished.curl()
        self._card = finished.card()
        self._staged = staged
        self._shown_in = shown_in

    @property
    def url(self) -> str:
        """Where callers find the endpoint."""
        return self.endpoint.url

    @property
    def status(self) -> VersionStatus:
        """What the supervisor knows of this version now."""
        return self.endpoint.versions[self.version]

    @property
    def state(self) -> str:
        """The state of this version now: "active", "standby", "retired"."""
        return self.status.state

    @property
    def mlflow_uri(self) -> str:
        """The version in MLflow: "models:/churn/3"."""
        return self.status.mlflow_uri

    @property
    def key_file(self) -> Path | None:
        """The 0600 file with the key that this notebook uses."""
        return self.endpoint.key_file

    def predict(self, data: Any, *, params: Mapping[str, Any] | None = None) -> Any:
        """What the model's own predict would give for `data`.  Raises as Endpoint.predict."""
        version = self.version if self._staged else None
        return self.endpoint.predict(data, version=version, params=params)

    def rollback(self, to: str | None = None) -> Changed:
        """Give all traffic of the endpoint to the version before, or to version `to`."""
        return self.endpoint.rollback(to)

    def promote(self) -> Changed:
        """Give all traffic of the endpoint to this version."""
        changed = self.endpoint.promote(self.version)
        self._staged = False
        return changed

    def card(self) -> Card:
        """What the deploy had to say when it ended."""
        return self._card

    def __repr__(self) -> str:
        return f"<Deployment {self.name} {self.version}>"

    def __str__(self) -> str:
        return super().__repr__()

    def _ipython_display_(self) -> None:
        # The card took the place of the progress; the cell that deployed does not show it twice.
        if self._shown_in and self._shown_in == session.moment():
            return
        show(self._card)


def deploy(
    model: Any,
    name: str,
    *,
    sample: Any = None,
    version: str | None = None,
    bump: str | None = None,
    stage: bool = False,
    replicas: int | str | None = None,
    timeout: float | None = None,
    compile: bool = False,  # noqa: A002 - the flag's name
) -> Deployment:
    """Serve `model` as endpoint `name`: package, register, prove, start, and give it the traffic.

    `model` is a fitted estimator, a function over a frame or an array, or an MLflow model URI.
    `sample` are rows to infer the contract from; without it, a frame among the caller's names whose
    columns are the ones that the model was fitted on.  `stage` keeps it warm without traffic;
    `timeout` is what one prediction may take, in seconds; `replicas` is a number of processes, or a
    range that follows the load: "1:4".  `compile` serves the fastest compiled form whose labels are
    the model's own and whose numbers are within a stated tolerance.

    Raises UsageError and its kinds, DeployInProgress, VersionExists, and DeployFailed with the step
    that failed; what was serving then goes on serving.
    """
    caller = inspect.currentframe()
    names = session.namespace(caller.f_back if caller else None)
    asked = options(
        version=version,
        bump=bump,
        stage=stage,
        replicas=replicas,
        timeout=timeout,
        compiled=compile,
    )
    return deploy_from(names, model, name, sample=sample, options=asked)


def deploy_from(
    names: dict[str, Any], model: Any, name: str, *, sample: Any, options: DeployOptions
) -> Deployment:
    """`deploy`, with the names among which a sample may be found."""
    finished = run(model, endpoint_name(name), sample=sample, names=names, options=options)
    return Deployment(finished, staged=options.stage, shown_in=session.moment())


def options(
    *,
    version: str | None,
    bump: str | None,
    stage: bool,
    replicas: int | str | None,
    timeout: float | None,
    compiled: bool,
) -> DeployOptions:
    """What was asked for, checked.  Raises UsageError or InvalidVersion."""
    if version is not None and bump is not None:
        raise UsageError("A deploy takes a version or a bump, not both.", "Leave one of them out.")
    if bump is not None and bump not in list(Bump):
        raise UsageError(f"{bump!r} is not a part of a version.", "Take major, minor or patch.")
    limits = None if replicas is None else parse_range(replicas)
    if timeout is not None and not _is_possible(timeout):
        shown = f"{timeout:g} s" if isinstance(timeout, int | float) else repr(timeout)[:80]
        raise UsageError(f"A timeout of {shown} is not possible.", "Take 1 to 3600 seconds.")
    return DeployOptions(
        version=None if version is None else str(parse_version(version)),
        bump=None if bump is None else Bump(bump),
        stage=stage,
        replicas=None if limits is None else limits.least,
        timeout_seconds=timeout,
        most_replicas=limits.most if limits is not None and limits.scales else None,
        compile=compiled,
    )


def _is_possible(timeout: object) -> bool:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        return False
    return 0 < timeout <= 3600


def endpoint(name: str) -> Endpoint:
    """The endpoint `name`.  Raises NotFound or SupervisorUnavailable."""
    with connect() as client:
        return Endpoint(client.endpoint(endpoint_name(name)))


def endpoints() -> Endpoints:
    """All endpoints; the supervisor is started if need be."""
    with connect() as client:
        return Endpoints("", client.endpoints())


def _change(version: str | None) -> ChangeTraffic:
    checked = None if version is None else str(parse_version(version))
    return ChangeTraffic(origin=session.origin(), version=checked)


@lru_cache(maxsize=8)
def _inference_client(base: str, key_file: Path) -> InferenceClient:
    # Kept, so that a loop of predictions uses one connection.
    return InferenceClient(base, key_file)
