"""A line after a magic is taken apart without a shell's rules for quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.notebook.arguments import arguments

SWITCHES, EXPRESSIONS = frozenset({"--stage"}), frozenset({"--sample"})


def taken(line):
    return arguments(line, SWITCHES, EXPRESSIONS)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clf --name churn", ["--name=churn", "--", "clf"]),
        ("--name churn clf", ["--name=churn", "--", "clf"]),
        ("--stage --name=churn clf", ["--stage", "--name=churn", "--", "clf"]),
        ("clf --stage", ["--stage", "--", "clf"]),
        ("make(X, depth=3) --name a", ["--name=a", "--", "make(X, depth=3)"]),
        ('models["a --b"] --name a', ["--name=a", "--", 'models["a --b"]']),
        ("f(a --b) --name a", ["--name=a", "--", "f(a --b)"]),
        ("lambda d: d['x'] > 1 --name a", ["--name=a", "--", "lambda d: d['x'] > 1"]),
        ("'it\\'s --x' --name a", ["--name=a", "--", "'it\\'s --x'"]),
        ("-clf --name a --sample -X", ["--name=a", "--sample=-X", "--", "-clf"]),
        ("clf --sample X[ :50 ] --name a", ["--sample=X[ :50 ]", "--name=a", "--", "clf"]),
        ("clf --name 'a b'", ["--name=a b", "--", "clf"]),
        ("clf --name", ["--name", "--", "clf"]),
        ("", []),
    ],
)
def test_expressions_stay_whole_and_the_rest_are_flags(line, expected):
    assert taken(line) == expected


@given(st.text())
def test_any_line_is_either_taken_apart_or_a_value_error(line):
    try:
        found = taken(line)
    except ValueError as error:
        assert "quotation" in str(error) or "escaped" in str(error)
    else:
        assert all(isinstance(word, str) for word in found)
