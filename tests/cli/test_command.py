"""`jupyter endpoint`, as far as it goes without a supervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from jupyter_deploy.cli.app import COMMANDS, endpoint, run
from jupyter_deploy.cli.output import duration, table
from jupyter_deploy.errors import DeployFailed, InvalidName, NotFound


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_every_command_explains_itself_in_one_line(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    listed = text.split("Commands:")[1]
    assert "..." not in listed
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_names_its_options(name, capsys):
    assert run([name, "--help"]) == 0
    assert f"Usage: jupyter endpoint {name}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["keys"]])
def test_no_command_shows_the_help(command, capsys):
    assert run(command) == 2
    assert capsys.readouterr().err.startswith("Usage: jupyter endpoint")


def test_every_command_that_prints_has_json():
    commands = [endpoint.get_command(None, name) for name in COMMANDS if name != "keys"]
    keys = endpoint.get_command(None, "keys")
    commands += list(keys.commands.values())
    without = [c.name for c in commands if "as_json" not in {p.name for p in c.params}]
    assert without == []


def test_status_says_how_to_start_when_nothing_runs(capsys):
    assert run(["status"]) == 0
    assert "jupyter endpoint start" in capsys.readouterr().out


def test_status_in_json_has_its_shape_when_nothing_runs(capsys):
    assert run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "supervisor": {"pid": None},
        "gateway": {"pids": [], "url": None},
        "endpoints": [],
    }


def test_looking_starts_nothing(home, capsys):
    for command in (["list"], ["versions", "churn"], ["logs", "churn"], ["keys", "list"]):
        assert run(command) == 1
    assert "jupyter endpoint start" in capsys.readouterr().err
    assert not (home / "supervisor.json").exists()


def test_stop_is_content_when_nothing_runs(capsys):
    assert run(["stop"]) == 0
    assert capsys.readouterr().out == "Nothing runs.\n"


@pytest.mark.parametrize(
    "command",
    [
        ["nonsense"],
        ["deploy", "models:/x/1"],
        ["deploy", "models:/x/1", "--name", "x", "--replicas", "0"],
        ["deploy", "models:/x/1", "--name", "x", "--version", "1.0.0", "--bump", "major"],
        ["deploy", "models:/x/1", "--name", "x", "--sample", "/nowhere.csv"],
        ["keys", "create", "churn"],
        ["keys", "create", "churn", "--consumer", "x", "--rate", "often"],
        ["keys", "create", "churn", "--consumer", "x", "--expires", "soon"],
        ["rollback"],
    ],
)
def test_a_command_that_cannot_be_understood_is_status_2_and_two_lines(command, capsys):
    assert run(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    first, *rest = said.err.splitlines()
    assert first.startswith("error: ")
    assert len(rest) == 1


@pytest.mark.parametrize(
    ("error", "status", "lines"),
    [
        (NotFound("endpoint", "churm", ["churn"]), 1, 2),
        (InvalidName("endpoint", "A B", "letters"), 2, 2),
        (DeployFailed("start", "It did not start.", "Look.", ["one", "two"]), 1, 4),
        (OSError(28, "No space left on device"), 1, 1),
    ],
)
def test_an_error_is_what_and_what_to_do_and_never_a_traceback(
    error, status, lines, monkeypatch, capsys
):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("jupyter_deploy.client.discovery.connect", fail)
    assert run(["list"]) == status
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert len(said.splitlines()) == lines
    assert "Traceback" not in said


def test_the_debug_variable_shows_the_traceback(monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_DEPLOY_DEBUG", "1")
    assert run(["list"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_the_help_and_the_status_import_nothing_heavy():
    code = (
        "import sys; from jupyter_deploy.cli.app import run\n"
        "run(['--help']); run(['status'])\n"
        "print([m for m in ('mlflow', 'pandas', 'numpy', 'sklearn', 'fastapi', 'jupyter_server')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_reader_that_has_gone_away_is_no_error_to_tell():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code = "from jupyter_deploy.cli import main; main()"
        command = [sys.executable, "-c", code, "--help"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_doctor_finds_nothing_wrong_with_a_fresh_home_and_makes_nothing(home, capsys):
    assert run(["doctor", "--json"]) in (0, 1)
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["home"]["state"] == "ok"
    assert checks["Python"]["state"] == "ok"
    assert checks["supervisor"]["state"] == "note"
    assert "jupyter endpoint start" in checks["supervisor"]["fix"]
    assert not home.exists()


def test_the_doctor_says_what_to_do_about_a_home_that_is_a_file(home, capsys):
    home.write_text("in the way")
    assert run(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["home"]["state"] == "problem"
    assert checks["home"]["fix"]


@pytest.mark.parametrize("port", ["abc", "99999", "-1"])
def test_the_doctor_says_what_to_do_about_a_port_that_cannot_be(port, monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_DEPLOY_PORT", port)
    assert run(["doctor", "--json"]) == 1
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["port"]["state"] == "problem"
    assert port in checks["port"]["found"]


def test_a_port_that_is_left_empty_is_the_usual_one(monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_DEPLOY_PORT", "")
    run(["doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["port"]["found"].startswith("8900 ")


def test_a_home_of_somebody_who_is_not_there_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", "~nobody-of-this-name/x")
    assert run(["status"]) == 1
    assert "no such user" in capsys.readouterr().err


def test_what_the_terminal_has_no_letter_for_is_replaced():
    command = [sys.executable, "-c", "from jupyter_deploy.cli import main; main()", "doctor"]
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, capture_output=True, env=latin, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b", ?" in done.stdout


def test_a_table_is_aligned_and_wraps_its_last_column(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = table(("NAME", "WHAT"), [("a", "word " * 12), ("long-name", "x")])
    assert max(len(line) for line in text.splitlines()) <= 40
    assert {line.index("w") for line in text.splitlines() if "w" in line} == {11}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0412, "41 ms"), (3.21, "3.2 s"), (125.0, "2 min 05 s")]
)
def test_a_time_reads_as_a_person_would_say_it(seconds, text):
    assert duration(seconds) == text
