"""`demo`: from a model to an API that answers, a better version, and back, on real data.

Rule: everything here happens as it would for a person: the same pipeline, the same HTTP, a key of
its own.  Nothing is simulated, and every figure printed was measured in this run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import Stopwatch, duration, json_option
from jupyter_deploy.cli.output import as_json as print_json

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.pipeline import Deployed

NAME = "churn"
CONSUMER = "demo"
_ANSWER_SECONDS = 30.0

_T = TypeVar("_T")


@click.command()
@json_option
def demo(*, as_json: bool) -> None:
    """Train, deploy, call, improve and roll back a churn model.

    It uses real data, prints each step with its time, and leaves the endpoint up.
    """
    story = Story(quiet=as_json)
    with story.step("start the supervisor", control.to_change) as client:
        url, key_file, row = _tell(story, client)
        version = client.endpoint(NAME).active
    curl = curl_line(url, key_file, row)
    if as_json:
        print_json({"url": url, "active": version, "curl": curl, "steps": story.told})
    else:
        _farewell(url, curl)


def _tell(story: Story, client: ControlClient) -> tuple[str, str, dict[str, Any]]:
    """The story; returns the URL for callers, the file of the key, and a row to send."""
    churn = story.step("import scikit-learn", _import_models)
    customers = story.step("read the customers", churn.read_customers)
    story.say(f"{len(customers.x_train)} to learn from, {len(customers.x_test)} held out")

    first = story.step("train a decision tree", lambda: churn.first_model(customers))
    story.say(str(churn.quality(first, customers)))
    deployed = story.step("deploy it", lambda: _deploy(first, customers.x_train, client))
    story.say(_deployed(deployed))

    key_file = story.step("make a key", lambda: _key(client))
    story.say(key_file)
    caller = Caller(f"{deployed.endpoint.url}/invocations", Path(key_file))
    row = _row(customers.x_test)
    _ask(story, caller, row)
    _send_nonsense(story, caller, row)

    better = story.step("train a better model", lambda: churn.better_model(customers))
    story.say(str(churn.quality(better, customers)))
    second = story.step("deploy it", lambda: _deploy(better, customers.x_train, client))
    story.say(_deployed(second))
    _ask(story, caller, row)
    _roll_back(story, client)
    _ask(story, caller, row)
    return caller.url, key_file, row


@dataclass
class Caller:
    """Calls the API as anybody would: HTTP, with the key that is in `key_file`."""

    url: str
    key_file: Path

    def send(self, rows: list[dict[str, Any]]) -> tuple[int, str, dict[str, Any]]:
        """Status, version and document of the answer to `rows`."""
        import httpx

        key = self.key_file.read_text().strip()
        answer = httpx.post(
            self.url,
            json={"dataframe_records": rows},
            headers={"authorization": f"Bearer {key}"},
            timeout=_ANSWER_SECONDS,
            trust_env=False,
        )
        return answer.status_code, answer.headers.get("x-model-version", ""), answer.json()


class Story:
    """Steps with their times, printed as they end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.told: list[dict[str, object]] = []

    def step(self, name: str, act: Callable[[], _T]) -> _T:
        """Do `act` and print how long it took."""
        watch = Stopwatch()
        result = act()
        seconds = watch.seconds
        self.told.append({"name": name, "seconds": round(seconds, 4), "said": ""})
        if not self._quiet:
            click.echo(f"{len(self.told):>2}  {name:<24} {duration(seconds):>8}")
        return result

    def say(self, text: str) -> None:
        """Add a line to the last step."""
        self.told[-1]["said"] = text
        if not self._quiet:
            click.echo(f"      {text}")


def curl_line(url: str, key_file: str, row: dict[str, Any]) -> str:
    """A line for a shell that sends `row` and gets its prediction; the key stays in its file."""
    body = shlex.quote(json.dumps({"dataframe_records": [row]}))
    return (
        f'curl -s {url} -H "Authorization: Bearer $(cat {shlex.quote(key_file)})"'
        f" -H 'Content-Type: application/json' -d {body}"
    )


def _import_models() -> Any:
    import sklearn.pipeline  # noqa: F401 - the import is the step

    from jupyter_deploy.cli import churn

    return churn


def _deploy(model: Pipeline, sample: pd.DataFrame, client: ControlClient) -> Deployed:
    from jupyter_deploy import pipeline

    return pipeline.run(model, NAME, sample=sample, origin=control.origin(), client=client)


def _deployed(deployed: Deployed) -> str:
    times = [f"{s.name} {duration(s.seconds)}" for s in deployed.status.steps if s.seconds]
    return f"{NAME} {deployed.ticket.version}: " + ", ".join(times)


def _key(client: ControlClient) -> str:
    """The file of the demo's key: made once, with a new secret in each demo after it."""
    from jupyter_deploy.client.models import CreateKey, RotateKey

    known = [k for k in client.keys(NAME) if k.consumer == CONSUMER and k.revoked_at is None]
    if known:
        return client.rotate_key(known[0].key_id, RotateKey(control.origin(), 0.0)).file
    return client.create_key(CreateKey(CONSUMER, (NAME,), control.origin())).file


def _row(frame: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(frame.head(1).to_json(orient="records"))[0]
    return row


def _ask(story: Story, caller: Caller, row: dict[str, Any]) -> None:
    status, version, answer = story.step("ask the API", lambda: caller.send([row]))
    _expect(status, 200, answer)
    leaving = dict(zip(answer["classes"], answer["probabilities"][0], strict=True))["Yes"]
    said = f"churn {answer['predictions'][0]}, probability of leaving {leaving:.2f}"
    story.say(f"200 from {version}: {said}")


def _send_nonsense(story: Story, caller: Caller, row: dict[str, Any]) -> None:
    nonsense = row | {"tenure": "twelve"}
    status, _, answer = story.step("send a bad request", lambda: caller.send([nonsense]))
    _expect(status, 400, answer)
    wrong = answer["errors"][0]
    story.say(f"400 at {wrong['pointer']}: expected {wrong['expected']}, got {wrong['got']}")


def _roll_back(story: Story, client: ControlClient) -> None:
    from jupyter_deploy.client.models import ChangeTraffic

    change = ChangeTraffic(control.origin())
    changed = story.step("roll back", lambda: client.rollback(NAME, change))
    story.say(f"{changed.version} serves again, {changed.previous} stays warm")


def _expect(status: int, wanted: int, answer: dict[str, Any]) -> None:
    from jupyter_deploy.errors import DeployError

    if status == wanted:
        return
    if status >= 400:
        raise DeployError.from_problem(answer)
    raise DeployError(f"The API answered {status} where {wanted} was due.", "Please report this.")


def _farewell(url: str, curl: str) -> None:
    click.echo(f"\nThe API is at {url}\n\n{curl}\n")
    click.echo("look:  jupyter endpoint status")
    click.echo("       jupyter lab example-notebooks/quickstart.ipynb")
    click.echo("stop:  jupyter endpoint stop")
