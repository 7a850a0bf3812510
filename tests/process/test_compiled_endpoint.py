"""A compiled version behind a real gateway, and one whose form cannot be loaded there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from jupyter_deploy.client.models import DeployOptions
from jupyter_deploy.pipeline import deploying, run
from jupyter_deploy.registry.fetch import file_digest
from tests.process.stack import Stack, me, stack

RANDOM = np.random.default_rng(5)
X = pd.DataFrame(RANDOM.normal(size=(200, 4)), columns=list("abcd"))
MODEL = RandomForestClassifier(10, random_state=0).fit(X, np.where(X.a * X.b > 0, "yes", "no"))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    for name in ("onnx", "onnxmltools", "onnxruntime", "skl2onnx", "treelite"):
        pytest.importorskip(name, reason="pip install 'jupyterlab-deploy[compile]'")
    with stack(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many boundaries are found is not what is tested here."""
    monkeypatch.setattr(deploying, "compile_forms", partial(deploying.compile_forms, seconds=1))


def deployed(one: Stack, name: str):
    return run(
        MODEL, name, sample=X, origin=me(), client=one.client, options=DeployOptions(compile=True)
    )


def answered(one: Stack, name: str) -> dict:
    response = httpx.post(
        f"{one.endpoint(name).url}/invocations",
        json={"dataframe_split": json.loads(X.to_json(orient="split", double_precision=15))},
        headers={"authorization": f"Bearer {one.key(name)}"},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    return response.json()


def assert_like_the_model(answer: dict) -> None:
    assert answer["predictions"] == MODEL.predict(X).tolist()
    np.testing.assert_allclose(answer["probabilities"], MODEL.predict_proba(X), atol=1e-5)


def test_a_compiled_version_answers_as_the_model_does(one: Stack) -> None:
    done = deployed(one, "forest")
    form = done.manifest.compiled
    assert form is not None
    proved = next(step for step in done.status.steps if step.name == "prove")
    assert f"loaded it as {form.form}" in proved.detail
    assert any(note.startswith(f"served as {form.form}") for note in done.notes)
    assert_like_the_model(answered(one, "forest"))


def test_a_form_that_a_replica_cannot_load_leaves_the_model_as_is(one: Stack, monkeypatch) -> None:
    compile_forms = deploying.compile_forms

    def spoiled(*arguments):
        outcome = compile_forms(*arguments)
        outcome.file.write_bytes(b"no form of anything")
        chosen = replace(outcome.chosen, digest=file_digest(outcome.file))
        return replace(outcome, chosen=chosen)

    monkeypatch.setattr(deploying, "compile_forms", spoiled)
    done = deployed(one, "spoiled")
    assert done.manifest.compiled is None
    assert any("cannot be loaded in a fresh process" in note for note in done.notes)
    assert_like_the_model(answered(one, "spoiled"))
