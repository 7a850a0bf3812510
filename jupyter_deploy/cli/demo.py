"""`demo`: from a model to an API that answers, a better version, and back, on real data.

Rule: everything here happens as it would for a person: the same pipeline, the same HTTP, a key of
its own.  Nothing is simulated, and every figure printed was measured in this run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jupyter_deploy.cli import control
from jupyter_deploy.cli.output import Stopwatch, duration, json_option
from jupyter_deploy.cli.output import as_json as print_json

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from jupyter_deploy.cli.churn import Customers
    from jupyter_deploy.client.control import ControlClient

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
        url, key_file, row = Demo(story, client).tell()
        version = client.endpoint(NAME).active
    curl = curl_line(url, key_file, row)
    if as_json:
        print_json({"url": url, "active": version, "curl": curl, "steps": story.told})
    else:
        _farewell(url, curl)


class Demo:
    """The story: a first model, callers, a better model, and back."""

    def __init__(self, story: Story, client: ControlClient) -> None:
        self._story = story
        self._client = client

    def tell(self) -> tuple[str, str, dict[str, Any]]:
        """Tell it; returns the URL for callers, the file of the key, and a row to send."""
        step, say = self._story.step, self._story.say
        churn = step("import scikit-learn", _import_models)
        customers: Customers = step("read the customers", churn.read_customers)
        say(f"{len(customers.x_train)} to learn from, {len(customers.x_test)} held out")

        first = step("train a decision tree", lambda: churn.first_model(customers))
        say(str(churn.quality(first, customers)))
        url = self._deploy(first, customers)
        key_file = step("make a key", lambda: _key(self._client))
        say(key_file)

        row = _row(customers.x_test)
        with closing(Caller(url, Path(key_file))) as caller:
            self._ask(caller, row)
            self._send_nonsense(caller, row)
            better = step("train a better model", lambda: churn.better_model(customers))
            say(str(churn.quality(better, customers)))
            self._deploy(better, customers)
            self._ask(caller, row)
            self._roll_back()
            self._ask(caller, row)
        return url, key_file, row

    def _deploy(self, model: Pipeline, customers: Customers) -> str:
        from jupyter_deploy import pipeline

        deployed = self._story.step(
            "deploy it",
            lambda: pipeline.run(
                model, NAME, sample=customers.x_train, origin=control.origin(), client=self._client
            ),
        )
        times = [f"{s.name} {duration(s.seconds)}" for s in deployed.status.steps if s.seconds]
        self._story.say(f"{NAME} {deployed.ticket.version}: {', '.join(times[:3])},")
        self._story.say(", ".join(times[3:]))
        return f"{deployed.endpoint.url}/invocations"

    def _ask(self, caller: Caller, row: dict[str, Any]) -> None:
        status, version, answer = self._story.step("ask the API", lambda: caller.send([row]))
        _expect(status, 200, answer)
        leaving = dict(zip(answer["classes"], answer["probabilities"][0], strict=True))["Yes"]
        said = f"churn {answer['predictions'][0]}, probability of leaving {leaving:.2f}"
        self._story.say(f"200 from {version}: {said}")

    def _send_nonsense(self, caller: Caller, row: dict[str, Any]) -> None:
        nonsense = row | {"tenure": "twelve"}
        status, _, answer = self._story.step("send a bad request", lambda: caller.send([nonsense]))
        _expect(status, 400, answer)
        wrong = answer["errors"][0]
        said = f"expected {wrong['expected']}, got {wrong['got']}"
        self._story.say(f"400 at {wrong['pointer']}: {said}")

    def _roll_back(self) -> None:
        from jupyter_deploy.client.models import ChangeTraffic

        change = ChangeTraffic(control.origin())
        changed = self._story.step("roll back", lambda: self._client.rollback(NAME, change))
        self._story.say(f"{changed.version} serves again, {changed.previous} stays warm")


class Caller:
    """Calls the API as anybody would: HTTP, with the key that is in `key_file`."""

    def __init__(self, url: str, key_file: Path) -> None:
        import httpx

        self.url = url
        headers = {"authorization": f"Bearer {key_file.read_text().strip()}"}
        self._http = httpx.Client(headers=headers, timeout=_ANSWER_SECONDS, trust_env=False)

    def send(self, rows: list[dict[str, Any]]) -> tuple[int, str, dict[str, Any]]:
        """Status, version and document of the answer to `rows`."""
        answer = self._http.post(self.url, json={"dataframe_records": rows})
        return answer.status_code, answer.headers.get("x-model-version", ""), answer.json()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()


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
