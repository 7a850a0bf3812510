"""The Tab key in the line of a magic offers what may come there, and starts nothing."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from sklearn.linear_model import LinearRegression

from jupyter_deploy import deploy


@pytest.fixture(scope="module")
def shell():
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "jupyter_deploy")
    made.user_ns["classifier"] = None
    yield made
    made.run_line_magic("unload_ext", "jupyter_deploy")
    InteractiveShell.clear_instance()


def offered(shell: InteractiveShell, line: str) -> list[str]:
    with provisionalcompleter():
        return [found.text for found in shell.Completer.completions(line, len(line))]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%deploy clf --na", ["--name"]),
        ("%rollback churn --", ["--to"]),
        ("x = 1\n%deploy clf --bump m", ["major", "minor"]),
        ("%apikey r", ["revoke", "rotate"]),
        ("%apikey create churn --ra", ["--rate"]),
    ],
)
def test_flags_their_choices_and_actions_are_offered(shell, line, words):
    assert offered(shell, line) == words


@pytest.mark.parametrize("line", ["%deploy classif", "%deploy 1 --name churn --sample cl"])
def test_variables_of_the_notebook_are_offered_for_model_and_sample(shell, line):
    assert offered(shell, line) == ["classifier"]


@pytest.mark.parametrize("line", ["", "%deploy clf --bump \n"])
def test_a_line_without_a_magic_is_left_to_ipython(shell, line, capsys):
    assert "major" not in offered(shell, line)
    assert "Traceback" not in capsys.readouterr().err


def test_without_a_supervisor_nothing_is_started_for_a_name(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path))
    assert offered(shell, "%rollback ch") == []
    assert list(tmp_path.iterdir()) == []


def test_endpoints_and_their_versions_are_offered(shell, home):
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    for name in ("churn", "spam"):
        deploy(model, name, sample=[[1.0]])
    assert offered(shell, "%versions ") == ["churn", "spam"]
    assert offered(shell, "%apikey list ch") == ["churn"]
    assert offered(shell, "%deploy clf --name s") == ["spam"]
    assert offered(shell, "%rollback spam --to ") == ["1.0.0"]
    assert "1.0.0" not in offered(shell, "%rollback nobody --to ")
