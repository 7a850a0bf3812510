"""The package from outside: what it exports, what it costs to import, what its wheel holds."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

import jupyter_deploy

HEAVY = ("fastapi", "httpx", "mlflow", "msgspec", "numpy", "pandas", "psutil", "sklearn", "uvicorn")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_brings_little_of_ours_and_nothing_of_others():
    code = (
        "import sys; before = set(sys.modules); import jupyter_deploy;"
        " print([m for m in set(sys.modules) - before if m.partition('.')[0] not in"
        " sys.stdlib_module_names and m != 'jupyter_deploy'])"
    )
    assert python(code) == "[]\n"


@pytest.mark.parametrize("module", ["jupyter_deploy", "jupyter_deploy.cli.app"])
def test_the_import_brings_nothing_heavy(module):
    found = python(f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])")
    assert found == "[]\n"


def test_the_extension_brings_nothing_beside_the_jupyter_server():
    code = (
        "import sys, jupyter_server.serverapp; before = set(sys.modules)\n"
        "import jupyter_deploy.server.app\n"
        f"print([m for m in {HEAVY} if m in set(sys.modules) - before])"
    )
    assert python(code) == "[]\n"


def test_what_the_package_exports_is_there():
    assert dir(jupyter_deploy) == sorted(jupyter_deploy.__all__)
    for name in jupyter_deploy.__all__:
        assert getattr(jupyter_deploy, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = jupyter_deploy.nonsense


def test_the_wheel_holds_the_command_the_extension_and_the_data():
    try:
        files = metadata.files("jupyterlab-deploy")
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
    assert files is not None
    names = {str(file) for file in files}
    assert "jupyter_deploy/cli/churn.csv.gz" in names
    assert "jupyter_deploy/py.typed" in names
    (place,) = [f for f in files if str(f).endswith("jupyter_server_config.d/jupyter_deploy.json")]
    enabled = json.loads(place.read_text())["ServerApp"]["jpserver_extensions"]
    assert enabled == {"jupyter_deploy": True}
    commands = metadata.entry_points(group="console_scripts", name="jupyter-endpoint")
    assert [command.value for command in commands] == ["jupyter_deploy.cli:main"]


def test_the_version_is_that_of_the_distribution():
    try:
        assert metadata.version("jupyterlab-deploy") == jupyter_deploy.__version__
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
