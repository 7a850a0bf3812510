"""`%deploy ... --compile` in IPython: the card says what was tried and what is served."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RANDOM = np.random.default_rng(7)
X = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=list("abc"))


@pytest.fixture(scope="module")
def shell(home):
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "jupyter_deploy")
    yield made
    made.run_line_magic("unload_ext", "jupyter_deploy")
    InteractiveShell.clear_instance()


def test_the_card_compares_the_forms_and_names_the_one_that_is_served(shell, capsys):
    pytest.importorskip("skl2onnx", reason="pip install 'jupyterlab-deploy[compile]'")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X.a > X.b)
    shell.user_ns |= {"model": model, "X": X}
    churn = shell.run_line_magic("deploy", "model --name churn --sample X --compile")
    said = capsys.readouterr().out
    assert "as is" in said
    assert "onnx float64" in said
    assert "served as onnx" in said
    # A script has no card before it: it asks for the lines, or prints the whole.
    assert [line.split(":")[0] for line in churn.comparison[:2]] == ["as is", "onnx float64"]
    assert sum(line.endswith("served") for line in churn.comparison) == 1
    assert "onnx float64" in str(churn)
    assert churn.predict(X).tolist() == model.predict(X).tolist()
