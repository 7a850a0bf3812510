"""A line that is wrong is one line of usage error; it starts nothing."""

import re
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_deploy.client import paths
from jupyter_deploy.errors import ExpressionFailed
from jupyter_deploy.notebook.arguments import parse
from jupyter_deploy.notebook.magics import DeployMagics

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def shell():
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "jupyter_deploy")
    yield made
    made.run_line_magic("unload_ext", "jupyter_deploy")
    InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("deploy", "MODEL, --name"),
        ("deploy clf", "required: --name"),
        ("deploy --name churn", "required: MODEL"),
        ("deploy 1 --name churn --canary 10", "unrecognized arguments: --canary=10"),
        ("deploy 1 --name Churn", "'Churn' is not a valid name"),
        ("deploy 1 --name churn --version 1.x", "'1.x' is not a version"),
        ("deploy 1 --name churn --version 1.0.0 --bump major", "not both"),
        ("deploy 1 --name churn --bump huge", "invalid choice: 'huge'"),
        ("deploy 1 --name churn --replicas two", "is no number of replicas"),
        ("deploy 1 --name churn --replicas 0", "0 replicas"),
        ("deploy 1 --name churn --timeout -1", "timeout of -1 s"),
        ("deploy 1 --name churn --env isolated", "invalid choice: 'isolated'"),
        ("deploy 1 --name 'churn", "No closing quotation"),
        ("deploy --help", "Usage: %deploy MODEL --name NAME"),
        ("rollback", "required: NAME"),
        ("rollback Churn", "'Churn' is not a valid name"),
        ("versions churn --all", "unrecognized arguments: --all"),
        ("endpoints churn", "unrecognized arguments: churn"),
        ("apikey", "required: ACTION NAME"),
        ("apikey make churn --consumer a", "takes an action"),
        ("apikey create churn", "create needs --consumer"),
        ("apikey revoke churn --consumer a --rate 1/day", "revoke does not take --rate"),
        ("monitor", "required: NAME"),
    ],
)
def test_a_wrong_line_is_one_line_of_usage_error_and_starts_nothing(shell, line, said):
    magic, _, rest = line.partition(" ")
    with pytest.raises(UsageError) as raised:
        shell.run_line_magic(magic, rest)
    # IPython shows a single line for this very class only.
    assert type(raised.value) is UsageError
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert not (paths.home() / "supervisor.json").exists()


@pytest.mark.parametrize(
    ("magic", "line"), re.findall(r"^    %(deploy|versions|rollback) (.*)$", README, re.MULTILINE)
)
def test_a_line_of_the_readme_can_be_typed_as_it_stands(magic, line):
    parser = getattr(DeployMagics, magic).parser
    switches = frozenset({"--compile"})
    assert parse(parser, line, switches=switches).name == "churn"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("nobody", "'nobody' does not evaluate: NameError: name 'nobody' is not defined."),
        ("1 +", "'1 +' does not evaluate: SyntaxError: invalid syntax."),
        ("1 / 0", "'1 / 0' does not evaluate: ZeroDivisionError: division by zero."),
    ],
)
def test_an_expression_that_fails_says_its_error_and_a_way_out_in_one_line(shell, expression, said):
    with pytest.raises(ExpressionFailed) as raised:
        shell.run_line_magic("deploy", f"{expression} --name churn")
    way_out = "Run it in a cell of its own, and deploy it once that works."
    assert raised.value._render_traceback_() == [f"ExpressionFailed: {said} {way_out}"]


def test_the_help_of_a_magic_lists_its_flags(shell):
    shown = shell.find_line_magic("deploy").__doc__
    assert "%deploy MODEL --name NAME [--sample EXPR]" in shown
    assert "rows to infer the contract from" in shown


def test_what_a_cell_does_is_told_with_the_number_of_the_cell(shell):
    shell.run_cell("1", store_history=True)
    code = "from jupyter_deploy.notebook import session; cell = session.origin().cell"
    ran = shell.run_cell(code, store_history=True)
    assert shell.user_ns["cell"] == f"In [{ran.execution_count}]"


def test_unloading_takes_the_magics_away_and_loading_brings_them_back(shell):
    shell.run_line_magic("unload_ext", "jupyter_deploy")
    assert shell.find_line_magic("deploy") is None
    shell.run_line_magic("load_ext", "jupyter_deploy")
    assert shell.find_line_magic("deploy") is not None
