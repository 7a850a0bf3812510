"""An alias that a person has moved is an offer, and is not overwritten before they have chosen."""

from __future__ import annotations

import pytest

from jupyter_deploy.core.aliases import MovedAlias, moved, put_back, sentence, way_out


@pytest.mark.parametrize(
    ("wanted", "present", "told", "expected"),
    [
        ("2", "2", ["2"], None),
        ("2", "1", ["2"], "1"),
        ("3", "1", ["2"], "1"),
        ("3", "2", ["2"], None),
        (None, "1", ["2"], "1"),
        (None, "2", ["2"], None),
        ("2", None, ["2"], None),
        ("1", "2", ["1", "2"], None),
        (None, "1", [], "1"),
        ("2", "1", [], "1"),
        ("2", "1", None, None),
    ],
    ids=[
        "it names what serves",
        "somebody has moved it",
        "somebody has moved it, and then the traffic changed",
        "the traffic changed, and nobody has moved it",
        "somebody has moved it, and nothing serves",
        "nothing serves, and nobody has moved it",
        "somebody has removed it",
        "a supervisor died while it was putting it there",
        "nothing served, and somebody has put it",
        "nothing served, somebody has put it, and then the traffic changed",
        "a registry from before this was kept",
    ],
)
def test_only_an_alias_that_somebody_else_has_put_elsewhere_was_moved(
    wanted, present, told, expected
):
    assert moved(wanted, present, told) == expected


def test_it_is_said_in_words_with_the_commands_that_settle_it():
    known = MovedAlias("4", "1.1.0")
    assert sentence("churn", "1.2.0", known) == "MLflow's alias active names 1.1.0; 1.2.0 serves."
    assert "promote churn --to 1.1.0" in way_out("churn", known)
    unknown = MovedAlias("7")
    assert "version 7 of the registered model, which is not deployed" in sentence(
        "churn", None, unknown
    )
    assert "promote" not in way_out("churn", unknown)


def test_the_audit_says_what_an_alias_names_again():
    assert put_back("1.2.0", MovedAlias("1", "1.1.0")) == "active names 1.2.0 again, not 1.1.0"
    said = put_back(None, MovedAlias("7"))
    assert said == "active names nothing again, not version 7 of the registered model"
