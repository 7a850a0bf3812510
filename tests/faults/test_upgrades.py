"""The code that runs is replaced while callers wait for their answers."""

from __future__ import annotations

import json
import random

from jupyter_deploy.cli.app import run
from jupyter_deploy.client.discovery import connect
from tests.faults.load import Load
from tests.faults.scene import Scene

#: How often it is upgraded in one test, one right after the other.
UPGRADES = 3


def test_upgrades_under_load_cost_no_request_and_refuse_nobody(
    scene: Scene, load: Load, chance: random.Random, capsys
) -> None:
    replicas = sorted(scene.replicas)
    for _ in range(UPGRADES):
        gateway, supervisor = scene.gateway, scene.one.supervisor_pid()
        load.after(chance.randrange(1, 200))
        assert run(["upgrade", "--json"]) == 0
        parts = json.loads(capsys.readouterr().out)["parts"]
        scene.one.client.close()
        scene.one.client = connect()
        assert [part["pid_before"] for part in parts] == [supervisor, gateway]
        assert [part["pid"] for part in parts] == [scene.one.supervisor_pid(), scene.gateway]
    load.after(50)
    load.stop().nobody_noticed()
    assert sorted(scene.replicas) == replicas
    with capsys.disabled():
        print([(part["part"], round(part["seconds"], 2)) for part in parts])
