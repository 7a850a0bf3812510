"""Many changes in a row, and two notebooks at once, while callers go on: nobody notices."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jupyter_deploy.client.control import ControlClient
from jupyter_deploy.client.models import BeginDeploy, ChangeTraffic, DeployOptions, DeployTicket
from jupyter_deploy.errors import DeployInProgress
from tests.faults.load import Load
from tests.faults.scene import NAME, REPLICAS, Scene, faulty
from tests.process.stack import CONTRACT, ROWS, me, until_ready

#: In CI, and with --all.
ROUNDS, ALL_ROUNDS = 10, 200
CHANGES, ALL_CHANGES = 20, 1000


@pytest.fixture(autouse=True)
def first_serves_afterwards(scene: Scene) -> Iterator[None]:
    yield
    if scene.active != "1.0.0":
        scene.one.client.rollback(NAME, ChangeTraffic(me(), version="1.0.0"))


def submit(scene: Scene, ticket: DeployTicket, factor: float) -> None:
    expected = ROWS.sum(axis=1) * factor
    scene.one.submit(ticket, scene.one.fill(ticket, faulty(factor), expected=expected))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chance", [0], indirect=True, ids=["once"])
def test_of_two_notebooks_that_deploy_one_name_one_wins_each_time(
    scene: Scene, load: Load, chance: random.Random, request: pytest.FixtureRequest
) -> None:
    rounds = ALL_ROUNDS if request.config.getoption("--all") else ROUNDS
    notebooks = [ControlClient(scene.one.client.socket) for _ in range(2)]
    together = threading.Barrier(len(notebooks))

    def begin(client: ControlClient) -> DeployTicket | DeployInProgress:
        together.wait(60)
        try:
            options = DeployOptions(replicas=REPLICAS)
            return client.begin_deploy(NAME, BeginDeploy(CONTRACT, me(), options))
        except DeployInProgress as error:
            return error

    with ThreadPoolExecutor(len(notebooks)) as people:
        for number in range(rounds):
            answers = list(people.map(begin, notebooks))
            (ticket,) = [one for one in answers if isinstance(one, DeployTicket)]
            (loser,) = [one for one in answers if isinstance(one, DeployInProgress)]
            assert loser.status == 409
            factor = 2.0 + number % 2
            load.factors.add(factor)
            submit(scene, ticket, factor)
            assert scene.active == ticket.version
            assert not list((scene.one.home / "staging").iterdir())
    for client in notebooks:
        client.close()
    load.stop().nobody_noticed()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("chance", [0], indirect=True, ids=["once"])
def test_many_deploys_and_rollbacks_in_a_row_cost_no_request(
    scene: Scene, load: Load, chance: random.Random, request: pytest.FixtureRequest
) -> None:
    """Half of them deploys, half rollbacks; each rollback goes to what is warm."""
    every = ALL_CHANGES if request.config.getoption("--all") else CHANGES
    load.factors |= {4.0, 5.0}
    for number in range(every // 2):
        before = scene.active
        submit(scene, scene.one.begin(NAME, replicas=REPLICAS), 4.0 + number % 2)
        until_ready(scene.one, NAME, scene.active, REPLICAS, scene.scaled(60))
        assert scene.one.client.rollback(NAME, ChangeTraffic(me())).version == before
    load.stop().nobody_noticed()
