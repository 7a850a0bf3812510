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
from typing import get_args

import pytest

import jupyter_deploy
from jupyter_deploy.client.models import FAILING_SHARE
from jupyter_deploy.core.lifecycle.replica import Phase
from jupyter_deploy.core.traffic import VersionState
from jupyter_deploy.errors import DeployError
from jupyter_deploy.gateway import app as _gateway  # noqa: F401 - has errors of its own
from jupyter_deploy.notebook import palette
from jupyter_deploy.pipeline.progress import KERNEL_STEPS, SUPERVISOR_STEPS
from jupyter_deploy.supervisor.happenings import Action, Happening

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


def test_a_colour_of_a_figure_is_the_same_in_a_saved_picture_and_in_the_dashboard():
    source = (LAB / "src" / "dashboard" / "palette.ts").read_text()
    live = [re.findall("#[0-9a-f]+", line) for line in source.splitlines() if "#" in line]
    others = (palette.WARN, palette.BAD, palette.CALM, palette.GRID)
    assert live == [[*palette.SERIES], *([colour] for colour in others)]


#: What figures are drawn on in JupyterLab's themes, light, dark and high contrast, and in VS Code.
GROUNDS = ("#ffffff", "#212121", "#111111", "#1e1e1e")


def test_the_types_are_those_of_this_checkout_wherever_they_are_made(tmp_path):
    script = "import runpy, sys; print(runpy.run_path(sys.argv[1])['models'].__file__)"
    command = [sys.executable, "-c", script, str(LAB / "generate_types.py")]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(made.stdout.strip()).is_relative_to(ROOT / "jupyter_deploy")


@pytest.mark.parametrize("ground", GROUNDS)
def test_the_colours_of_figures_stand_out_from_what_they_are_drawn_on(ground):
    for colour in (*palette.SERIES, palette.WARN, palette.BAD, palette.CALM):
        low, high = sorted((luminance(colour), luminance(ground)))
        assert (high + 0.05) / (low + 0.05) >= 3, colour


def luminance(colour: str) -> float:
    """That of WCAG 2.2, from 0 for black to 1 for white."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_parts_are_of_one_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PACKAGE["version"] == project["version"] == jupyter_deploy.__version__


def test_the_api_that_the_browser_was_written_for_is_the_one_that_the_server_has():
    from jupyter_deploy.server.about import API

    assert f"export const API = {API};" in (LAB / "src" / "model.ts").read_text()


def known_codes() -> set[str]:
    """The codes of the server for which the sidebar has words."""
    source = (LAB / "src" / "codes.ts").read_text()
    known = re.findall(r"^    '?([a-z-]+)'?: trans|case '([a-z-]+)':", source, re.MULTILINE)
    return {first or second for first, second in known}


def test_every_code_and_state_that_the_server_may_say_has_words_that_are_translated():
    steps = (*KERNEL_STEPS, *SUPERVISOR_STEPS)
    states = (*VersionState, *Phase, "serving", "failing", "degraded", "stopped")
    in_words = (LAB / "src" / "words.ts").read_text()
    assert set(DeployError._by_code) | set(steps) <= known_codes()
    assert {str(state) for state in states} <= set(re.findall(r"case '([a-z]+)':", in_words))


def test_an_endpoint_fails_in_part_from_the_same_share_on_everywhere():
    assert f"const FAILING = {FAILING_SHARE};" in (LAB / "src" / "attention.ts").read_text()


def test_everything_that_may_happen_has_words_that_are_translated():
    assert {*get_args(Action), *get_args(Happening)} <= known_codes()


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
