"""Several gateway processes behind one port, under a supervisor."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_deploy.client.models import ChangeTraffic
from tests.faults.load import under_load
from tests.process.stack import Stack, ended, me, stack
from tests.support import wait_until

PROCESSES = 2
#: Requests a second, of which half are sent: what any machine can do.
PEAK = 300


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("several")
    (folder / "jupyter_deploy_config.py").write_text(
        f"c.SupervisorApp.gateway_processes = {PROCESSES}\n"
    )
    with stack(folder / "home", JUPYTER_CONFIG_DIR=str(folder)) as running:
        running.deploy("churn", 1.0)
        running.deploy("churn", 2.0)
        yield running


def gateways(one: Stack) -> tuple[int, ...]:
    """Their pids, once all run."""
    return wait_until(
        lambda: pids if len(pids := one.client.status().gateway.pids) == PROCESSES else (), 30
    )


def promote(one: Stack, version: str) -> str:
    return one.client.promote("churn", ChangeTraffic(me(), version)).note


def test_as_many_gateways_run_as_are_asked_for_and_the_status_shows_each(one: Stack) -> None:
    found = one.client.status().gateway
    assert found.processes == PROCESSES
    assert len(set(found.pids)) == PROCESSES
    assert not any(map(ended, found.pids))


def test_figures_are_those_of_all_gateways_together(one: Stack) -> None:
    for _ in range(30):
        one.predict("churn")  # each on a connection of its own
    found = wait_until(
        lambda: m if (m := one.client.metrics("churn", 300.0)).requests >= 30 else None, 30
    )
    assert (found.requests, found.rows) == (30, 60)
    assert [sum(shown.counts) for shown in found.predictions if shown.version == "1.1.0"] == [60]


def test_a_promotion_under_load_loses_nothing_and_later_answers_are_of_the_new_version(
    one: Stack,
) -> None:
    url, key = one.endpoint("churn").url, one.key("churn")
    spans = []
    with under_load(url, key, PEAK, factors=(1.0, 2.0)) as load:
        for version, factor in (("1.0.0", 1.0), ("1.1.0", 2.0)) * 2:
            promote(one, version)
            begin = time.monotonic()
            load.after(60)
            spans.append((begin, time.monotonic(), factor))
    load.ledger.nobody_noticed()
    for begin, end, factor in spans:
        sent = [s for s in load.ledger.sent if begin <= s.at and (s.answered or end) < end]
        assert len(sent) > 20
        assert {json.loads(s.said)["predictions"][0] / s.row[0] for s in sent} == {factor}


def test_when_a_gateway_is_killed_the_others_answer_and_it_comes_back(one: Stack) -> None:
    for victim in gateways(one):
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda pid=victim: ended(pid))
        assert one.predict("churn") == [6.0, 14.0]
        assert victim not in gateways(one)


def test_a_gateway_that_is_asked_to_end_does_so_without_a_fault(one: Stack) -> None:
    seen = max(event.number for event in one.client.events())
    victim, _ = gateways(one)
    os.kill(victim, signal.SIGTERM)
    (said, *_) = wait_until(lambda: one.client.events(after=seen))
    assert said.message == f"The gateway (pid {victim}) ended with status 0; a new one starts."
    assert victim not in gateways(one)


def test_a_change_is_confirmed_by_all_and_one_that_does_not_answer_is_replaced(one: Stack) -> None:
    assert promote(one, "1.0.0") == ""
    stopped, other = gateways(one)
    os.kill(stopped, signal.SIGSTOP)
    note = promote(one, "1.1.0")
    assert note == f"The gateway (pid {stopped}) did not answer and was replaced."
    assert ended(stopped)
    assert other in gateways(one)
    # Each caller comes on a connection of its own, to whichever gateway accepts it.
    assert {tuple(one.predict("churn")) for _ in range(20)} == {(6.0, 14.0)}


def test_a_new_supervisor_takes_over_all_gateways(one: Stack) -> None:
    before, supervisor = gateways(one), one.supervisor_pid()
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: ended(supervisor))
    url = f"http://127.0.0.1:{os.environ['JUPYTER_DEPLOY_PORT']}/endpoints/churn/ping"
    assert httpx.get(url).status_code == 200
    one.start()
    assert gateways(one) == before
    assert one.predict("churn") == [6.0, 14.0]


def started_again(one: Stack, *victims: int, configuration: str) -> None:
    """A new supervisor is configured otherwise; `victims` died with the one before."""
    Path(os.environ["JUPYTER_CONFIG_DIR"], "jupyter_deploy_config.py").write_text(configuration)
    dying = [one.supervisor_pid(), *victims]
    for pid in dying:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(map(ended, dying)))
    one.start()


def test_where_only_one_is_left_that_is_not_asked_for_any_more_its_port_is_kept(
    one: Stack,
) -> None:
    url, pids = one.client.status().gateway.url, gateways(one)
    (first,) = (pid for pid in pids if psutil.Process(pid).cmdline()[-1].endswith("/gateway.json"))
    started_again(one, first, configuration="")
    assert one.client.status().gateway.url == url
    wait_until(lambda: all(map(ended, pids)), 60)
    assert one.predict("churn") == [6.0, 14.0]
    alone = set(one.client.status().gateway.pids)
    started_again(one, configuration=f"c.SupervisorApp.gateway_processes = {PROCESSES}\n")
    # It counts and limits by itself: another one takes its place, too.
    wait_until(lambda: all(map(ended, alone)), 60)
    gateways(one)


def test_gateways_that_are_not_asked_for_any_more_end(one: Stack) -> None:
    first, second = gateways(one)
    started_again(one, configuration="")
    wait_until(lambda: ended(first) and ended(second), 60)
    # The one that is left counts and limits by itself, and is therefore another process.
    (left,) = wait_until(lambda: p if (p := one.client.status().gateway.pids) else None)
    assert left not in (first, second)
    assert one.predict("churn") == [6.0, 14.0]
