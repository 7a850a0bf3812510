"""The lab extension's own checks, and what it has in common with the Python side."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import jupyter_deploy
from jupyter_deploy.core.lifecycle.replica import Phase
from jupyter_deploy.core.traffic import VersionState
from jupyter_deploy.errors import DeployError
from jupyter_deploy.gateway import app as _gateway  # noqa: F401 - has errors of its own
from jupyter_deploy.pipeline.progress import KERNEL_STEPS, SUPERVISOR_STEPS

ROOT = Path(__file__).parents[2]
LAB = ROOT / "labextension"
PACKAGE = json.loads((LAB / "package.json").read_text())


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, LAB / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def jlpm(*arguments: str) -> None:
    if not (LAB / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("no node_modules: run `jlpm install` in labextension/")
    # The module has no `__main__`: with `-m` it would do nothing, and succeed.
    run = "from jupyter_builder.jlpm import main; main()"
    command = [sys.executable, "-c", run, *arguments]
    done = subprocess.run(command, cwd=LAB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_types_of_the_control_api_are_those_of_the_python_side():
    assert (LAB / "src" / "types.ts").read_text() == load("generate_types").render()


def test_all_parts_are_of_one_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PACKAGE["version"] == project["version"] == jupyter_deploy.__version__


def test_the_api_that_the_browser_was_written_for_is_the_one_that_the_server_has():
    from jupyter_deploy.server.about import API

    assert f"export const API = {API};" in (LAB / "src" / "model.ts").read_text()


def test_every_code_and_state_that_the_server_may_say_has_words_that_are_translated():
    steps = (*KERNEL_STEPS, *SUPERVISOR_STEPS)
    states = (*VersionState, *Phase, "serving", "degraded", "stopped")
    in_codes = (LAB / "src" / "codes.ts").read_text()
    in_words = (LAB / "src" / "words.ts").read_text()
    known = set(re.findall(r"^    '?([a-z-]+)'?: trans|case '([a-z-]+)':", in_codes, re.MULTILINE))
    known_codes = {first or second for first, second in known}
    assert set(DeployError._by_code) | set(steps) <= known_codes
    assert {str(state) for state in states} <= set(re.findall(r"case '([a-z]+)':", in_words))


def test_a_change_of_a_source_is_a_reason_to_build_again(tmp_path):
    pytest.importorskip("hatchling")
    digest = load("hatch_build").digest
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.ts").write_text("1")
    before = digest(tmp_path)
    (tmp_path / "src" / "index.ts").write_text("2")
    assert digest(tmp_path) != before


def test_a_script_that_fails_is_seen_to_fail():
    with pytest.raises(AssertionError):
        jlpm("run", "there-is-no-such-script")


def test_the_model_layer_does_as_its_tests_say():
    jlpm("test")


def test_the_sources_are_clean():
    jlpm("lint:check")
