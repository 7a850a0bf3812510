"""An alias that a script moves in MLflow: noticed within seconds, and at no cost to who trains."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from sklearn.linear_model import LinearRegression
from sqlalchemy import Connection

from jupyter_deploy.client.models import Event
from jupyter_deploy.core.manifest import RegisteredModel
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.pipeline import run
from jupyter_deploy.registry import listing
from jupyter_deploy.registry.location import using
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.registrar import Registrar
from jupyter_deploy.supervisor.registry_process import Order, RegistryProcess
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.store import Store, writing
from tests.process.stack import ROWS, Stack, me, ours, stack
from tests.process.test_replicas import VERSION
from tests.support import wait_until

#: What MLflow takes to be imported on a busy machine, and a minute where it was imported just now.
SECONDS = 100.0
#: Some seconds of writing, in each of which the file is looked at.
COMMITS = 300
ROUNDS = 4
FIRST, SECOND = "1", "2"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        for factor in (1.0, 2.0):
            model = LinearRegression().fit(ROWS, ROWS.sum(axis=1) * factor)
            run(model, "churn", sample=ROWS, origin=me(), client=running.client)
        # From here on nothing but what a test does is a reason to look, for a quarter of an hour.
        running.client.look_at_registry()
        wait_until(lambda: told(running) and active(running) == SECOND, SECONDS)
        yield running


def client_of(one: Stack):
    return using(one.client.status().registry.tracking_uri)


def active(one: Stack) -> str:
    with client_of(one) as client:
        return str(client.get_model_version_by_alias("churn", "active").version)


def move(one: Stack, number: str) -> None:
    with client_of(one) as client:
        client.set_registered_model_alias("churn", "active", number)


def told(one: Stack) -> bool:
    return one.client.status().registry.pending == 0


def until(one: Stack, kind: str, after: int) -> Event:
    return wait_until(
        lambda: next((event for event in one.client.events(after) if event.kind == kind), None),
        SECONDS,
    )


def last(one: Stack) -> int:
    return max(event.number for event in one.client.events())


def helpers(one: Stack) -> list[psutil.Process]:
    """The processes of the supervisor that hold MLflow."""
    children = psutil.Process(one.supervisor_pid()).children()
    return [child for child in children if "jupyter_deploy.registry" in child.cmdline()]


def test_an_alias_that_a_script_moves_is_noticed_and_so_is_its_return(one):
    before = last(one)
    move(one, FIRST)
    said = until(one, "alias-moved", before).message
    assert said == "MLflow's alias active names 1.0.0; 1.1.0 serves."
    assert one.endpoint("churn").moved_alias.version == "1.0.0"
    assert active(one) == FIRST
    before = last(one)
    move(one, SECOND)
    until(one, "alias-settled", before)
    assert one.endpoint("churn").moved_alias is None


def test_who_put_an_alias_back_is_in_the_audit_trail(one):
    before = last(one)
    move(one, FIRST)
    until(one, "alias-moved", before)
    one.client.put_alias_back("churn", me())
    assert active(one) == SECOND
    entry = one.client.audit("churn")[0]
    assert (entry.action, entry.detail) == ("alias-put-back", "active names 1.1.0 again, not 1.0.0")
    assert entry.origin == me()
    one.client.put_alias_back("churn", me())
    assert one.client.audit("churn")[0] == entry, "nothing was to be put back"


def test_an_alias_that_is_moved_again_at_once_is_noticed_again(one):
    for _ in range(ROUNDS):
        before = last(one)
        one.client.put_alias_back("churn", me())
        # Mostly between two looks at the file, which then shows nothing but what it showed before.
        move(one, FIRST)
        until(one, "alias-moved", before)
    one.client.put_alias_back("churn", me())


def test_who_logs_metrics_has_nobody_import_mlflow(one):
    for helper in helpers(one):
        helper.kill()
        helper.wait(10)
    seen = []
    with client_of(one) as client:
        run_id = client.create_run("0").info.run_id
        for step in range(COMMITS):
            client.log_metric(run_id, "loss", 1.0 / (step + 1), step=step)
            seen += helpers(one)
    assert not seen
    before = last(one)
    move(one, FIRST)
    until(one, "alias-moved", before)


def test_the_mlflow_ui_outlives_a_supervisor_that_is_killed_and_is_taken_over(one):
    found = one.client.registry_ui()
    before = psutil.Process(one.supervisor_pid())
    before.kill()
    before.wait(SECONDS)
    one.start()
    assert one.client.status().registry.ui_url == found.url
    assert one.client.registry_ui() == found
    assert uis(one) == [found.pid]


def uis(one: Stack) -> list[int]:
    """The MLflow UIs of this home, without what they have started themselves."""
    return [p.pid for p in ours(one.home) if "mlflow" in p.cmdline() and "server" in p.cmdline()]


def test_what_a_registry_holds_may_be_more_than_fits_a_line_of_text(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    long = {"jupyter_deploy.version": "1" * 5000}
    with using(uri) as client:
        client.create_registered_model("churn")
        for _ in range(listing.VERSIONS):
            client.create_model_version("churn", "file:///nowhere", tags=long)
    settings = Settings(home=tmp_path, run=tmp_path)
    settings.make_folders()

    async def ask() -> int:
        registry = RegistryProcess(settings)
        answer = await registry.send({"tracking_uri": uri})
        await registry.close()
        return len(json.dumps(answer))

    assert asyncio.run(ask()) > asyncio.streams._DEFAULT_LIMIT


def test_a_registry_that_is_away_keeps_no_other_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two endpoints of one that is away, and one of another, which comes after them."""
    asked = []

    async def send(order: Order) -> Order:
        asked.append(order["name"])
        if order["tracking_uri"] == "away":
            raise OSError("no answer")
        return {"stands": None, "moved": None}

    async def tell() -> None:
        store = Store(tmp_path / "state.db")
        await store.open()
        for name, uri in (("a", "away"), ("b", "away"), ("c", "there")):
            await store.change(partial(deployed, name, uri))
        registrar = Registrar(Settings(tmp_path, tmp_path), store, Journal(store), lambda: 1.0)
        monkeypatch.setattr(registrar._process, "send", send)
        running = asyncio.create_task(registrar.run())
        await asyncio.to_thread(wait_until, lambda: registrar.pending == 2)
        running.cancel()
        await asyncio.wait([running])
        await store.close()

    asyncio.run(tell())
    assert asked == ["a", "c"]


def deployed(name: str, uri: str, connection: Connection) -> None:
    """An endpoint with a version of a model that is registered at `uri`."""
    manifest = replace(VERSION.manifest, registered=RegisteredModel(uri, name, "1"))
    writing.endpoint(connection, name)
    writing.version(connection, replace(VERSION, endpoint=name, manifest=manifest))
    writing.traffic(connection, name, Traffic("1.0.0", None, ("1.0.0",)), 1)


def test_an_order_that_is_given_up_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that hands over while MLflow is being imported leaves at once."""
    monkeypatch.setattr("jupyter_deploy.supervisor.registry_process._END_SECONDS", math.inf)
    settings = Settings(home=tmp_path, run=tmp_path)
    settings.make_folders()

    async def give_up() -> None:
        before = psutil.Process().children()
        registry = RegistryProcess(settings)
        order = asyncio.create_task(registry.send({"tracking_uri": f"sqlite:///{tmp_path}/m.db"}))
        await asyncio.to_thread(wait_until, lambda: registry.running)
        (process,) = (one for one in psutil.Process().children() if one not in before)
        process.suspend()
        order.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(order, SECONDS)
        assert not process.is_running()

    asyncio.run(give_up())
