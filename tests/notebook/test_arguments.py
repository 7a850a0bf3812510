"""A line after a magic is taken apart without a shell's rules for quotes."""

from argparse import ArgumentParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from jupyter_deploy.notebook.arguments import arguments, parse

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
        ("clf --name a  # it's --stage", ["--name=a", "--", "clf"]),
        ("clf['#'] --name '#a' # b", ["--name=#a", "--", "clf['#']"]),
        ("# clf --name a", []),
        ("", []),
    ],
)
def test_expressions_stay_whole_and_the_rest_are_flags(line, expected):
    assert taken(line) == expected


@pytest.mark.parametrize("line", ["--name a --name b", "f(x) --name=a g --name b"])
def test_a_flag_that_is_given_twice_is_a_usage_error(line):
    parser = ArgumentParser()
    parser.add_argument("--name")
    parser.add_argument("model", nargs="?")
    with pytest.raises(UsageError, match=r"^--name is given more than once\. Usage: "):
        parse(parser, line)
    assert parse(parser, "f('--name b') --name a").name == "a"


@given(st.text(alphabet=st.characters(exclude_characters="\\'\"")))
def test_any_line_without_quotes_can_be_taken_apart(line):
    assert all(isinstance(word, str) for word in taken(line))


@pytest.mark.parametrize("line", ["clf --name 'a", 'clf --name "a', "clf --name a\\"])
def test_a_quote_that_is_left_open_is_a_value_error(line):
    with pytest.raises(ValueError, match=r"No closing quotation|No escaped character"):
        taken(line)
