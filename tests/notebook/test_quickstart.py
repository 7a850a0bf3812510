"""The quickstart, top to bottom: under a Jupyter server, and in a kernel without one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from tests.notebook import kernels
from tests.notebook.conftest import stop
from tests.notebook.kernels import outputs, text
from tests.server.jupyter import BASE, TOKEN, JupyterServer
from tests.support import free_port

EXAMPLES = Path(__file__).parents[2] / "example-notebooks"
CARD_BYTES = 200_000


@pytest.fixture(scope="module", params=["under a Jupyter server", "in a plain kernel"])
def executed(request, tmp_path_factory):
    """The executed notebook, and the folder that holds everything that was written."""
    folder = tmp_path_factory.mktemp("quickstart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DEPLOY_HOME", str(folder / "home"))
        patch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter" / "runtime"))
        patch.setenv("PYTHONPATH", str(EXAMPLES.parent))
        try:
            yield _run(request.param, folder), folder
        finally:
            stop()


def _run(how, folder):
    if how == "in a plain kernel":
        return kernels.run_in_plain_kernel(_copied(folder / "work"))
    server = JupyterServer(folder / "jupyter")
    try:
        return kernels.run_in_jupyter(
            _copied(folder / "jupyter" / "root"),
            url=server.url.partition(BASE)[0] + BASE.rstrip("/"),
            token=TOKEN,
            runtime=folder / "jupyter" / "runtime",
        )
    finally:
        server.stop()


def _copied(folder):
    shutil.copytree(EXAMPLES, folder, dirs_exist_ok=True)
    return folder / "quickstart.ipynb"


def test_each_deploy_shows_one_card(executed):
    notebook, _ = executed
    for source, version in (("%deploy clf", "1.0.0"), ("%deploy better", "1.1.0")):
        (card,) = outputs(notebook, source)
        assert card.output_type == "display_data"
        assert text(card).startswith(f"churn {version}: active\n")
        assert "switch" in text(card)
        assert "curl " in text(card)


def test_the_first_card_says_which_frame_the_contract_came_from(executed):
    notebook, _ = executed
    assert "X_train, 5282 rows" in text(outputs(notebook, "%deploy clf")[0])


def test_the_api_answers_as_the_model_does(executed):
    notebook, _ = executed
    assert text(outputs(notebook, "deployment.predict(")[0]).startswith("array(['")
    assert "'predictions': ['" in text(outputs(notebook, "ask(customer).json()")[0])


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_the_curl_line_works_as_it_is(executed):
    notebook, _ = executed
    assert '"predictions":["' in text(outputs(notebook, "!{deployment.curl}")[0])


def test_a_bad_request_is_told_what_is_wrong(executed):
    notebook, _ = executed
    said = text(outputs(notebook, '"a while"')[0])
    assert said.startswith("(400,")
    assert "tenure" in said
    assert "'a while'" not in said


def test_the_history_names_who_made_each_version_and_where(executed):
    notebook, folder = executed
    said = text(outputs(notebook, "%versions")[0])
    assert "1.1.0    active" in said
    assert "1.0.0    standby" in said
    if (folder / "jupyter").exists():
        assert "quickstart.ipynb" in said


def test_the_rollback_card_prints_the_measured_time(executed):
    notebook, _ = executed
    said = text(outputs(notebook, "%rollback")[0])
    assert "churn rolled back from 1.1.0 to 1.0.0" in said
    assert " ms; it was warm." in said
    assert "1.0.0" in text(outputs(notebook, "%endpoints")[0])


def test_nothing_is_written_to_stderr(executed):
    notebook, _ = executed
    every = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert [out.text for out in every if out.get("name") == "stderr"] == []


def test_the_saved_notebook_is_small(executed):
    notebook, _ = executed
    cards = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert max(len(str(out)) for out in cards) < CARD_BYTES


def test_the_endpoint_outlives_the_kernel_and_the_server(executed):
    from jupyter_deploy import endpoint

    assert endpoint("churn").state == "serving"


def test_no_secret_is_in_any_byte_that_was_written(executed):
    _, folder = executed
    secrets = _secrets(folder)
    assert len(secrets) >= 2
    files = [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "keys"]
    assert any(file.name == "history.sqlite" for file in files)
    assert [file for file in files if any(secret in file.read_bytes() for secret in secrets)] == []


def test_no_secret_is_in_an_argv_or_an_environment(executed):
    _, folder = executed
    secrets = [secret.decode() for secret in _secrets(folder)]
    for process in psutil.process_iter():
        try:
            said = "\0".join([*process.cmdline(), *process.environ().values()])
        except (psutil.Error, OSError):
            continue
        assert not any(secret in said for secret in secrets), process


def _secrets(folder):
    # The part that is secret: the id of a key is shown.
    keys = (folder / "home" / "keys").iterdir()
    return [file.read_bytes().strip().rpartition(b"_")[2] for file in keys]


def test_the_notebook_in_the_project_has_no_outputs():
    notebook = kernels.read(EXAMPLES / "quickstart.ipynb")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert os.path.getsize(EXAMPLES / "quickstart.ipynb") < 20_000
