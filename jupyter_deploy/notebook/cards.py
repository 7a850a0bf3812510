"""Which card says what: each function makes the card of one command from what the supervisor told.

Rule: pure; the same data give the same card.  Times of day are those of this machine.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from jupyter_deploy.client.figures import EndpointMetrics
from jupyter_deploy.client.inference import invocations
from jupyter_deploy.client.models import (
    EndpointStatus,
    RequestFailure,
    StepStatus,
    TrafficChanged,
    VersionStatus,
)
from jupyter_deploy.core.aliases import sentence
from jupyter_deploy.core.manifest import Manifest
from jupyter_deploy.errors import DeployError, DeployFailed
from jupyter_deploy.notebook import words
from jupyter_deploy.notebook.card import Card, Cell, Code, Mark, Table, Tone
from jupyter_deploy.notebook.comparison import comparison

#: A longer example is not written into the card: it would make the notebook grow.
EXAMPLE_CHARACTERS = 4000


# --- deploying ----------------------------------------------------------------------------------


def working(name: str, steps: Sequence[StepStatus]) -> Card:
    """A deploy that is under way."""
    return Card(f"Deploying {name}", Mark("working", Tone.BUSY), steps=tuple(steps))


def failed(
    name: str, steps: Sequence[StepStatus], error: BaseException, serving: str | None
) -> Card:
    """A deploy that did not end well; `serving` is the version that goes on serving, if any."""
    untouched = (
        f"{name} {serving} goes on serving, untouched." if serving else "Nothing has been changed."
    )
    if not isinstance(error, DeployError):
        return Card(
            f"{name} was not deployed",
            Mark("stopped", Tone.WARN),
            f"It was stopped by {type(error).__name__}. {untouched}",
            steps=tuple(steps),
        )
    at = f" at step {error.step}" if isinstance(error, DeployFailed) and error.step else ""
    return Card(
        f"{name} was not deployed",
        Mark(f"failed{at}", Tone.BAD),
        error.detail,
        steps=tuple(steps),
        log=error.log if isinstance(error, DeployFailed) else (),
        notes=tuple(note for note in (error.fix, untouched) if note),
    )


def deployed(
    version: VersionStatus,
    endpoint: EndpointStatus,
    manifest: Manifest,
    steps: Sequence[StepStatus],
    notes: Sequence[str],
) -> Card:
    """A version that is there, and all that one needs to use it."""
    return Card(
        f"{endpoint.name} {version.version}",
        words.mark(version.state),
        facts=tuple(_deployed_facts(version, endpoint, manifest)),
        table=comparison(manifest),
        steps=tuple(steps),
        notes=tuple(notes),
        commands=tuple(_commands(version, endpoint, manifest)),
    )


def _deployed_facts(
    version: VersionStatus, endpoint: EndpointStatus, manifest: Manifest
) -> Iterable[tuple[str, Cell]]:
    yield "URL", Code(endpoint.url)
    yield "Version", f"{version.version}: {version.why}" if version.why else version.version
    yield "MLflow", words.mlflow(version, manifest.registered.tracking_uri)
    yield "Replicas", words.replicas(version)
    if manifest.sample_origin:
        yield "Contract", f"from {manifest.sample_origin}"
    if endpoint.key_file:
        yield "Key", Code(endpoint.key_file)


def _commands(
    version: VersionStatus, endpoint: EndpointStatus, manifest: Manifest
) -> Iterable[tuple[str, str]]:
    if endpoint.key_file and manifest.example:
        pinned = None if version.state == "active" else version.version
        yield "Call it", curl(endpoint, manifest.example, version=pinned)
    if version.state == "standby":
        yield "Give it the traffic", f"%promote {endpoint.name}"
    elif version.previous:
        yield f"Go back to {version.previous}", f"%rollback {endpoint.name}"


def curl(endpoint: EndpointStatus, example: str, *, version: str | None = None) -> str:
    """A line for a shell that calls the endpoint with one row; it reads the key from its file.

    An example that is too long for a card (or none) is left to a file, body.json.
    """
    base = endpoint.url.removesuffix(f"/endpoints/{endpoint.name}")
    short = 0 < len(example) <= EXAMPLE_CHARACTERS
    parts = [
        "curl -sS",
        f'-H "Authorization: Bearer $(cat {shlex.quote(endpoint.key_file or "KEY_FILE")})"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(example)}" if short else "-d @body.json",
        invocations(base, endpoint.name, version),
    ]
    return " ".join(parts)


# --- endpoints and versions ---------------------------------------------------------------------


def endpoint(status: EndpointStatus) -> Card:
    """One endpoint."""
    facts: list[tuple[str, Cell]] = [
        ("URL", Code(status.url)),
        ("Active", status.active or "none"),
        ("Standby", status.standby or "none"),
        ("Versions", str(len(status.versions))),
    ]
    if status.key_file:
        facts.append(("Key", Code(status.key_file)))
    if status.deploying:
        facts.append(("Deploying", status.deploying))
    notes, commands = _moved_alias(status)
    return Card(
        status.name,
        words.mark(status.seen_state),
        facts=tuple(facts),
        notes=notes,
        commands=commands,
    )


def _moved_alias(status: EndpointStatus) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """What to say, and what to type, where MLflow's alias names another version."""
    alias = status.moved_alias
    if alias is None:
        return (), ()
    commands = [("Have it name what serves", f"!jupyter endpoint put-back {status.name}")]
    if alias.version is not None:
        promote = f"%promote {status.name} --to {alias.version}"
        commands.insert(0, (f"Serve {alias.version}", promote))
    return (sentence(status.name, status.active, alias),), tuple(commands)


def undeployed(status: EndpointStatus, active: str | None) -> Card:
    """An endpoint that has been stopped; `active` is the version that served until then."""
    good = [version.version for version in status.versions if version.state != "failed"]
    again = active or next(reversed(good), None)
    return Card(
        f"{status.name} is stopped",
        words.mark(status.state),
        "Its processes have ended; its versions, keys and history are kept.",
        commands=(("Bring it back", f"%rollback {status.name} --to {again}"),) if again else (),
    )


def endpoints(statuses: Sequence[EndpointStatus]) -> Card:
    """All endpoints."""
    if not statuses:
        return Card(
            "No endpoints yet", commands=(("Make the first one", "%deploy MODEL --name NAME"),)
        )
    rows = tuple(_endpoint_row(status) for status in statuses)
    columns = ("name", "state", "active", "standby", "replicas", "URL")
    moved = [_moved_alias(status) for status in statuses]
    return Card(
        words.counted(len(rows), "endpoint"),
        table=Table(columns, rows),
        notes=tuple(note for notes, _ in moved for note in notes),
        commands=tuple(line for _, lines in moved for line in lines),
    )


def _endpoint_row(status: EndpointStatus) -> tuple[Cell, ...]:
    active = next((v for v in status.versions if v.version == status.active), None)
    return (
        status.name,
        words.mark(status.seen_state),
        status.active or words.NONE,
        status.standby or words.NONE,
        words.replicas(active) if active else words.NONE,
        Code(status.url),
    )


def versions(name: str, history: Sequence[VersionStatus]) -> Card:
    """The history of an endpoint, newest first."""
    if not history:
        return Card(f"{name} has no versions yet")
    rows = tuple(_version_row(version) for version in reversed(history))
    columns = ("version", "state", "MLflow", "who", "when", "where", "why")
    notes = tuple(
        f"{version.version} {'failed' if version.state == 'failed' else 'fails'}: {version.reason}"
        for version in reversed(history)
        if version.reason
    )
    log = next((v.log for v in reversed(history[-1:]) if v.state == "failed"), ())
    title = f"{name}: {words.counted(len(rows), 'version')}"
    return Card(title, table=Table(columns, rows), notes=notes, log=log)


def _version_row(version: VersionStatus) -> tuple[Cell, ...]:
    return (
        version.version,
        words.mark(version.state),
        words.mlflow(version, ""),
        version.origin.user,
        words.clock(version.created_at),
        words.place(version.origin),
        version.why,
    )


def changed(change: TrafficChanged, action: str) -> Card:
    """Traffic that has moved; `action` says how: "rolled back" or "promoted"."""
    before = f" from {change.previous}" if change.previous else ""
    how = "it was warm" if change.warm else "its process had to be started first"
    forward = action == "rolled back"
    undo = f"%promote {change.name}" if forward else f"%rollback {change.name}"
    label = f"Forward again to {change.previous}" if forward else f"Go back to {change.previous}"
    kept = "Contract and limits went along."
    facts: list[tuple[str, Cell]] = [("Active", change.version)]
    if change.previous:
        facts.append(("Standby", change.previous))
    return Card(
        f"{change.name} {action}{before} to {change.version}",
        words.mark("active"),
        " ".join((f"In {words.milliseconds(change.seconds)}; {how}.", kept, change.note)).strip(),
        facts=tuple(facts),
        commands=((label, undo),) if change.previous else (),
    )


# --- figures and errors -------------------------------------------------------------------------


def metrics(told: EndpointMetrics) -> Card:
    """What an endpoint did in a window."""
    times = ((word, value) for word, value in _percentiles(told) if value is not None)
    facts: list[tuple[str, Cell]] = [
        ("Requests", f"{told.requests:,}".replace(",", " ")),
        ("Rows", f"{told.rows:,}".replace(",", " ")),
        ("Refused (4xx)", str(told.errors_4xx)),
        ("Failed (5xx)", str(told.errors_5xx)),
        ("Waiting now", str(told.waiting)),
        *((word, f"{value:.1f} ms") for word, value in times),
    ]
    return Card(
        told.name, lead=f"In the last {words.span(told.window_seconds)}.", facts=tuple(facts)
    )


def _percentiles(told: EndpointMetrics) -> tuple[tuple[str, float | None], ...]:
    return ("Median", told.p50_ms), ("95 %", told.p95_ms), ("99 %", told.p99_ms)


def failures(name: str, known: Sequence[RequestFailure]) -> Card:
    """Requests that failed on our side, newest first."""
    if not known:
        return Card(f"{name}: no failed requests")
    rows = tuple(
        (Code(f.request_id), words.clock(f.at), f.version, f.consumer, f.code, f.message)
        for f in known
    )
    columns = ("request", "when", "version", "consumer", "code", "message")
    line = f"endpoint({name!r}).errors[{known[0].request_id!r}]"
    title = f"{name}: {words.counted(len(rows), 'failed request')}"
    return Card(title, table=Table(columns, rows), commands=(("See a trace", line),))


def failure(one: RequestFailure) -> Card:
    """One failed request with its trace."""
    return Card(
        f"Request {one.request_id}",
        Mark(one.code, Tone.BAD),
        one.message,
        facts=(("When", words.clock(one.at)), ("Version", one.version), ("Consumer", one.consumer)),
        log=tuple(one.trace.splitlines()),
    )
