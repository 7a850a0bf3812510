"""The documents name what there is; what is not named here does not exist for anybody."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import click
import pytest
from traitlets import HasTraits

from jupyter_deploy.cli.app import COMMANDS, endpoint
from jupyter_deploy.errors import DeployError
from jupyter_deploy.gateway import app as _gateway  # noqa: F401 - has errors of its own
from jupyter_deploy.server.app import DeployExtension
from jupyter_deploy.supervisor.app import SupervisorApp

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "jupyter_deploy"
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def commands() -> list[str]:
    keys = endpoint.get_command(click.Context(endpoint), "keys")
    assert isinstance(keys, click.Group)
    return [*COMMANDS, *keys.commands]


def configurables() -> list[type[HasTraits]]:
    found: list[type[HasTraits]] = []
    for file in sorted(SOURCE.rglob("*.py")):
        if "config=True" in file.read_text():
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            kinds = vars(import_module(name)).values()
            found += [
                kind
                for kind in kinds
                if isinstance(kind, type)
                and issubclass(kind, HasTraits)
                and kind.__module__ == name
            ]
    assert {DeployExtension, SupervisorApp} <= set(found)
    return found


def traits() -> list[str]:
    return [
        f"{kind.__name__}.{name}"
        for kind in configurables()
        for name, trait in kind.class_own_traits(config=True).items()
    ]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_in_the_readme(command):
    assert re.search(rf"(jupyter endpoint |keys )[a-z\\|`, ]*\b{command}\b", README)


def test_every_option_of_deploy_is_in_the_readme():
    deploy = endpoint.get_command(click.Context(endpoint), "deploy")
    options = [name for parameter in deploy.params for name in parameter.opts if name[:2] == "--"]
    assert [name for name in options if f"{name}" not in README] == []


def test_every_magic_is_in_the_readme():
    from jupyter_deploy.notebook import magics

    found = set(
        re.findall(r"^\s*def ([a-z]+)\(self, line", Path(magics.__file__).read_text(), re.M)
    )
    assert "deploy" in found
    assert [name for name in found if f"`%{name}" not in README] == []


@pytest.mark.parametrize("trait", traits())
def test_every_trait_is_in_the_readme(trait):
    assert f"`c.{trait}`" in README


@pytest.mark.parametrize("code", list(DeployError._by_code))
def test_every_error_code_is_explained(code):
    assert f"| `{code}` |" in CONTRIBUTING


def test_every_environment_variable_is_in_the_readme():
    text = "\n".join(file.read_text() for file in SOURCE.rglob("*.py"))
    found = set(re.findall(r"\bJUPYTER_DEPLOY_[A-Z]+\b", text))
    assert found >= {"JUPYTER_DEPLOY_HOME", "JUPYTER_DEPLOY_PORT"}
    assert [name for name in found if f"`{name}`" not in README] == []


def test_the_first_screen_has_the_two_commands():
    screen = "\n".join(README.splitlines()[:30])
    assert "pip install . && jupyter endpoint demo" in screen
    assert "bash tests/run.sh" in screen


def test_every_link_between_the_documents_leads_somewhere():
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or (ROOT / target).exists(), target
