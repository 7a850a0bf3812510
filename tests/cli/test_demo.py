"""The demo, as a stranger runs it, and then the commands on what it has left running."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jupyter_deploy.cli.churn import read_customers
from jupyter_deploy.client.paths import run_folder
from tests.support import free_port, wait_until

ROOT = Path(__file__).parents[2]
DEMO_SECONDS = 200


class Shell:
    """Runs `jupyter endpoint …` in a folder of its own, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.port = free_port()
        self.environment = os.environ | {
            "HOME": str(folder),
            "JUPYTER_DEPLOY_HOME": str(self.home),
            "JUPYTER_DEPLOY_PORT": str(self.port),
        }
        if not _installed():
            self.environment["PYTHONPATH"] = str(ROOT)

    def run(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        code = "from jupyter_deploy.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=seconds,
        )

    def json(self, *arguments: str, seconds: float = 60) -> Any:
        done = self.run(*arguments, "--json", seconds=seconds)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def bash(self, line: str) -> str:
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, cwd=self.folder, timeout=60
        ).stdout

    def processes(self) -> list[psutil.Process]:
        """Every process that was told this home, by argument or by environment."""
        found = []
        for process in psutil.process_iter():
            try:
                told = [*process.cmdline(), process.environ().get("JUPYTER_DEPLOY_HOME", "")]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(str(self.home) in text for text in told):
                found.append(process)
        return found


def _installed() -> bool:
    try:
        metadata.distribution("jupyterlab-deploy")
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Iterator[Shell]:
    shell = Shell(tmp_path_factory.mktemp("stranger"))
    yield shell
    shell.run("stop")
    left = shell.processes()
    for process in left:
        process.kill()
    shutil.rmtree(run_folder(shell.home), ignore_errors=True)
    assert left == []


@pytest.fixture(scope="module")
def demo(shell) -> str:
    """What the demo printed."""
    done = shell.run("demo", seconds=DEMO_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def curl(demo) -> str:
    return next(line for line in demo.splitlines() if line.startswith("curl "))


@pytest.mark.timeout(DEMO_SECONDS + 60)
def test_the_demo_tells_its_story_with_times(demo):
    steps = re.findall(r"^ *\d+  (.+?)  +[\d.]+ (?:ms|s)$", demo, re.MULTILINE)
    assert steps.count("deploy it") == 2
    assert steps.count("ask the API") == 3
    assert "200 from 1.0.0" in demo
    assert "200 from 1.1.0" in demo
    assert re.search(r"400 at /dataframe_records/0/tenure: expected integer, got string", demo)
    assert re.search(r"accuracy 0\.\d{3}, AUC 0\.\d{3} on held-out rows", demo)
    assert "1.0.0 serves again" in demo
    assert "jupyter endpoint stop" in demo


def test_the_curl_line_works_as_it_is_printed(shell, curl):
    answer = json.loads(shell.bash(curl))
    assert answer["predictions"] in (["Yes"], ["No"])
    assert answer["classes"] == ["No", "Yes"]


def test_nothing_that_was_printed_holds_a_key(shell, demo):
    assert "jd_live_" not in demo
    for command in (["status"], ["keys", "list"], ["audit"], ["events"], ["versions", "churn"]):
        assert "jd_live_" not in shell.run(*command).stdout


def test_no_key_is_in_a_file_beside_its_own_an_argv_or_an_environment(shell, demo):
    folder = shell.home / "keys"
    secrets = [file.read_text().strip().rpartition("_")[2].encode() for file in folder.iterdir()]
    assert len(secrets) >= 2
    places = {
        str(file): file.read_bytes()
        for file in shell.home.rglob("*")
        if file.is_file() and file.parent != folder
    }
    for process in shell.processes():
        told = [*process.cmdline(), *process.environ().values()]
        places[str(process)] = "\0".join(told).encode()
    assert len(places) > 10
    assert [place for place, held in places.items() if any(s in held for s in secrets)] == []


def test_status_has_its_shape(shell, demo):
    status = shell.json("status")
    assert psutil.pid_exists(status["supervisor"]["pid"])
    assert all(psutil.pid_exists(pid) for pid in status["gateway"]["pids"])
    assert status["gateway"]["url"] == f"http://127.0.0.1:{shell.port}"
    (churn,) = status["endpoints"]
    assert (churn["name"], churn["active"]) == ("churn", "1.0.0")
    assert churn["url"].endswith("/endpoints/churn")
    versions = {version["version"]: version for version in churn["versions"]}
    assert versions["1.0.0"]["state"] == "active"
    assert versions["1.1.0"]["state"] == "standby"
    for version in versions.values():
        assert version["mlflow_version"]
        assert all(psutil.pid_exists(r["pid"]) and r["state"] for r in version["replicas"])


def test_what_people_read_fits_80_columns_apart_from_paths_and_addresses(shell, demo):
    for command in (["list"], ["status"], ["versions", "churn"], ["audit"], ["keys", "list"]):
        done = shell.run(*command)
        assert done.returncode == 0, done.stderr
        long = [line for line in done.stdout.splitlines() if len(line) > 80]
        assert [line for line in long if "/" not in line] == []


def test_traffic_goes_forward_and_back_from_the_shell(shell, demo):
    forward = shell.json("promote", "churn", "--to", "1.1.0")
    assert (forward["version"], forward["previous"]) == ("1.1.0", "1.0.0")
    back = shell.json("rollback", "churn")
    assert (back["version"], back["warm"]) == ("1.0.0", True)
    changes = [entry["action"] for entry in shell.json("audit", "churn")]
    assert {"deployed", "promoted", "rolled-back"} <= set(changes)


def test_a_key_is_made_used_and_revoked(shell, curl, demo):
    made = shell.json("keys", "create", "churn", "--consumer", "billing", "--rate", "100/minute")
    assert set(made) == {"key_id", "file"}
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    line = re.sub(r"cat [^)]+", f"cat {shlex.quote(made['file'])}", curl)
    assert "predictions" in shell.bash(line)
    (listed,) = [key for key in shell.json("keys", "list") if key["key_id"] == made["key_id"]]
    assert (listed["consumer"], listed["rate"]) == ("billing", "100/minute")
    assert "The old secret is valid until" in shell.run("keys", "rotate", made["key_id"]).stdout
    assert shell.json("keys", "revoke", made["key_id"])["revoked_at"]
    wait_until(lambda: '"status":401' in shell.bash(line).replace(" ", ""), 5.0)


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["versions", "nobody"], 1, "nobody"),
        (["rollback", "churn", "--to", "9.9.9"], 1, "9.9.9"),
        (["errors", "churn", "no-such-request"], 1, "no-such-request"),
        (["keys", "revoke", "nosuchkey123"], 1, "nosuchkey123"),
        (["deploy", "models:/nothing/1", "--name", "other"], 2, "nothing"),
        (["deploy", "models:/churn/1", "--name", "Not A Name"], 2, "Not A Name"),
    ],
)
def test_what_is_not_there_is_one_line_and_a_way_out(shell, demo, command, status, said):
    done = shell.run(*command, seconds=120)
    assert done.returncode == status, done.stdout
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_registered_model_is_deployed_from_the_shell(shell, demo):
    sample = shell.folder / "sample.csv"
    read_customers().x_test.head(50).to_csv(sample, index=False)
    asked = ("deploy", "models:/churn/1", "--name", "churn-again", "--stage")
    done = shell.json(*asked, "--sample", str(sample), seconds=120)
    assert (done["name"], done["version"], done["active"]) == ("churn-again", "1.0.0", None)
    assert [step["name"] for step in done["steps"]][:3] == ["contract", "package", "register"]
    assert shell.json("undeploy", "churn-again")["state"] == "stopped"


def test_the_doctor_has_no_complaint_about_what_runs(shell, demo):
    checks = {check["name"]: check for check in json.loads(shell.run("doctor", "--json").stdout)}
    for name in ("supervisor", "gateway", "endpoints", "home", "sockets"):
        assert checks[name]["state"] == "ok", checks[name]
    # MLflow may still be hearing of the last change.
    assert checks["registry"]["state"] in ("ok", "note"), checks["registry"]


def test_stop_leaves_no_process_and_start_brings_all_back(shell, demo, curl):
    before = shell.json("status")
    stopped = shell.json("stop", seconds=90)["stopped"]
    assert before["supervisor"]["pid"] in stopped
    assert shell.processes() == []
    assert shell.json("status")["supervisor"]["pid"] is None
    after = shell.json("start", seconds=120)
    assert after["gateway"]["url"] == before["gateway"]["url"]
    assert [e["active"] for e in after["endpoints"]] == [e["active"] for e in before["endpoints"]]
    assert "predictions" in shell.bash(curl)


def test_the_mlflow_ui_is_started_on_request(shell, demo):
    found = shell.json("ui", seconds=120)
    assert httpx.get(found["url"], timeout=30).status_code == 200
