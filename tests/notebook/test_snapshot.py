"""What the sidebar finds in a notebook, and what it never does there."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jupyter_deploy.notebook.snapshot import MAX_FOUND, MAX_SECONDS, MIME, Snapshot, snapshot

X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
Y = [0, 1, 0, 1]


class Untouchable:
    """Says so when anything but its type is looked at."""

    def __getattribute__(self, name: str) -> object:
        if name in ("__class__", "__dict__"):
            return object.__getattribute__(self, name)
        raise AssertionError(f"{name} was looked at")

    def predict(self) -> None: ...


def look(clock=lambda: 0.0, magic: object = None, **names: object) -> Snapshot:
    shell = SimpleNamespace(user_ns=names, user_ns_hidden={}, find_line_magic=lambda _name: magic)
    return snapshot(shell, clock)


def test_a_fitted_model_is_found_with_the_frame_that_it_was_fitted_on():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    (found,) = look(model=model, other=X[["a"]], X=X, wide=X.assign(c=1)).candidates
    assert (found.name, found.type, found.fitted) == ("model", "Pipeline", True)
    assert (found.columns, found.frame, found.rows) == (2, "X", 4)


def test_a_model_that_is_not_fitted_is_said_to_be_so():
    (found,) = look(draft=make_pipeline(StandardScaler(), LogisticRegression())).candidates
    assert found.fitted is False


@pytest.mark.parametrize(
    "held", [{"steps": [1, 2]}, {"steps": ["a"]}, {"steps": [()]}, {"feature_names_in_": 7}]
)
def test_a_model_that_means_something_else_by_scikit_learns_names_is_found_all_the_same(held):
    model = type("Forecast", (), {"predict": lambda self: None})()
    vars(model).update(held)
    names = [one.name for one in look(model=model, clf=LogisticRegression()).candidates]
    assert names == ["model", "clf"]


def test_a_function_of_the_notebook_is_found_and_one_of_a_library_is_not():
    def score(frame): ...

    score.__module__ = "__main__"
    found = look(score=score, pipeline=make_pipeline, Model=LogisticRegression).candidates
    assert [one.name for one in found] == ["score"]


def test_what_is_hidden_or_ours_is_left_out():
    deployment = type("Deployment", (), {"predict": lambda self: None})
    deployment.__module__ = "jupyter_deploy.notebook.handles"
    assert look(_clf=LogisticRegression(), churn=deployment()).candidates == ()


def test_only_the_type_of_a_value_is_looked_at():
    (found,) = look(strange=Untouchable()).candidates
    assert (found.type, found.fitted) == ("Untouchable", None)


def test_a_look_that_takes_too_long_ends_and_says_so():
    times = iter((0.0, 0.0, 1.0))
    found = look(lambda: next(times), a=LogisticRegression(), b=LogisticRegression())
    assert found.cut
    assert [one.name for one in found.candidates] == ["a"]


def test_of_very_many_some_are_given_and_all_are_counted():
    model = LogisticRegression()
    found = look(**{f"model_{number}": model for number in range(MAX_FOUND + 347)})
    assert len(found.candidates) == MAX_FOUND
    assert (found.count, found.cut) == (MAX_FOUND + 347, False)


def test_frames_without_end_leave_time_for_the_models():
    looks = iter(range(10_000))
    found = look(
        lambda: next(looks) * MAX_SECONDS / 100,
        model=LogisticRegression().fit(X, Y),
        **dict.fromkeys((f"frame_{number}" for number in range(1000)), X.assign(c=1)),
        X=X,
    )
    assert found.cut
    assert [(one.name, one.rows) for one in found.candidates] == [("model", 4)]
    assert found.candidates[0].frame != "X", "that was not reached"


@pytest.mark.parametrize("magic", [None, print])
def test_it_goes_to_the_browser_as_json(magic):
    bundle = look(magic=magic)._repr_mimebundle_()
    assert bundle[MIME]["loaded"] is (magic is not None)
    assert bundle[MIME]["candidates"] == ()
