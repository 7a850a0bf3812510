"""What a cell shows in a kernel: one card, or one error; the values behind it; nothing else."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebook.kernels import CELL_SECONDS, outputs, text

CELLS = [
    "%load_ext jupyter_deploy",
    """
import os
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
X = pd.DataFrame({"age": [20.0, 30.0, 40.0, 50.0], "city": [1.0, 2.0, 1.0, 2.0]})
y = [0, 1, 0, 1]
clf = LogisticRegression().fit(X, y)
limit = 35

class Contrary:
    def predict(self, frame):
        return [os.getpid()] * len(frame)

class Impatient:
    def predict(self, frame):
        raise KeyboardInterrupt

def make(frame, depth=1):
    return DecisionTreeClassifier(max_depth=depth).fit(frame, y)

def over(frame):
    return (frame["age"] > limit).tolist()

def inside():
    mine = make(X, depth=2)
    %deploy mine --name shop --bump patch
""",
    "%deploy LogisticRegression() --name shop",
    "%deploy clf --name shop",
    "Out",
    "deployment  # again",
    "%deploy clf --name Shop",
    "%deploy clf --name shop --canary 5",
    "%deploy nothing --name shop",
    "%deploy Contrary() --name shop --sample X",
    "%deploy Impatient() --name shop --sample X",
    "made = deployment.endpoint.version; made",
    "%deploy make(X, depth=3) --name shop",
    "%deploy {'tree  --x': make(X)}['tree  --x'] --name shop --sample X[ :2 ] --stage",
    "inside()  # a function",
    "%deploy over --name rule --sample X",
    "deployment.predict(X)",
    "%deploy models:/shop/1 --name copy",
    "from jupyter_deploy import deploy; kept = deploy(clf, 'shop')",
    "%endpoints",
    "%monitor rule --window 1h",
    "%apikey list rule",
    "%undeploy rule",
]


@pytest.fixture(scope="module")
def notebook(home):
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    made = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(made, timeout=CELL_SECONDS, allow_errors=True, record_timing=False).execute()
    return made


def card(notebook, source):
    """The one output of a cell, which is a card."""
    (output,) = outputs(notebook, source)
    assert "jd-card" in output["data"]["text/html"]
    return text(output)


def error(notebook, source):
    (found,) = [out for out in outputs(notebook, source) if out.output_type == "error"]
    return found


def test_a_deploy_shows_one_card_and_is_the_value_of_its_cell(notebook):
    assert card(notebook, "%deploy clf --name shop").startswith("shop 1.0.0: active")
    (everything,) = outputs(notebook, "Out")
    assert "<Deployment shop 1.0.0>" in text(everything)


def test_the_deployment_shows_its_card_again_when_it_is_asked_for(notebook):
    assert card(notebook, "deployment  # again").startswith("shop 1.0.0: active")


def test_a_model_that_is_not_fitted_is_one_line_and_no_card(notebook):
    shown = outputs(notebook, "%deploy LogisticRegression()")
    said = error(notebook, "%deploy LogisticRegression()")
    assert said.traceback == [
        "NotFitted: This LogisticRegression is not fitted. Call .fit(X, y) first, then deploy it."
    ]
    assert [text(out) for out in shown if out.output_type != "error"] == [""]


@pytest.mark.parametrize("source", ["--name Shop", "--canary 5"])
def test_a_misuse_is_one_line_on_stderr(notebook, source):
    (said,) = outputs(notebook, source)
    assert said.name == "stderr"
    assert said.text.startswith("UsageError: ")
    assert len(said.text.strip().splitlines()) == 1


def test_an_expression_that_fails_is_one_line(notebook):
    (line,) = error(notebook, "%deploy nothing").traceback
    assert line == (
        "ExpressionFailed: 'nothing' does not evaluate: NameError: name 'nothing' is not defined. "
        "Run it in a cell of its own, and deploy it once that works."
    )


def test_a_deploy_that_fails_says_which_step_and_what_goes_on_serving(notebook):
    shown = outputs(notebook, "%deploy Contrary()")
    assert [out.output_type for out in shown] == ["display_data", "error"]
    assert "failed at step prove" in text(shown[0])
    assert "shop 1.0.0 goes on serving, untouched." in text(shown[0])
    assert shown[1].ename == "NotReproduced"
    assert "prove" in shown[1].traceback[0]
    assert not any("jupyter_deploy/" in line for line in shown[1].traceback)
    assert text(outputs(notebook, "made = ")[0]) == "'1.0.0'"


def test_a_cell_that_is_stopped_says_so_in_one_line_and_leaves_no_card_at_work(notebook):
    shown = outputs(notebook, "%deploy Impatient()")
    assert [out.output_type for out in shown] == ["display_data", "error"]
    assert text(shown[0]).startswith("shop was not deployed: stopped\n")
    assert shown[1].traceback == ["DeployInterrupted: The deploy of 'shop' was stopped."]


def test_any_expression_can_be_deployed(notebook):
    assert "shop 1." in card(notebook, "%deploy make(X, depth=3)")
    assert ": standby" in card(notebook, "{'tree  --x'")
    assert "the sample given, 2 rows" in card(notebook, "{'tree  --x'")


def test_a_model_that_only_a_function_knows_can_be_deployed_there(notebook):
    assert ": active" in card(notebook, "inside()  # a function")


def test_a_function_takes_the_globals_of_the_notebook_along(notebook):
    assert "rule 1.0.0: active" in card(notebook, "%deploy over")
    said = text(outputs(notebook, "deployment.predict(X)")[0])
    assert said == "array([False, False,  True,  True])"


def test_a_model_uri_needs_no_quotes(notebook):
    assert "copy 1.0.0: active" in card(notebook, "%deploy models:/shop/1")


def test_deploy_in_python_shows_the_same_card(notebook):
    assert ": active" in card(notebook, "kept = deploy(")


def test_every_other_magic_shows_one_card(notebook):
    assert "3 endpoints" in card(notebook, "%endpoints")
    assert "Requests" in card(notebook, "%monitor")
    assert "notebook" in card(notebook, "%apikey list")
    assert "rule is stopped: stopped" in card(notebook, "%undeploy")
