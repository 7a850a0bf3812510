"""The dashboard under load, in a real browser: a page of the main area, and a cell's output."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import nbformat
import pytest

from jupyter_deploy.client.discovery import running
from jupyter_deploy.notebook.figures import MIME
from tests.browser.axe import THEMES, choose_theme, serious
from tests.browser.lab import (
    BUILT,
    Lab,
    chromium,
    opened,
    run_first_cell,
)
from tests.browser.sidebar import execute, panel, section
from tests.support import wait_until

MODEL = """\
%load_ext jupyter_deploy
import numpy as np
from sklearn.linear_model import LogisticRegression
X = np.random.default_rng(0).normal(size=(200, 2))
clf = LogisticRegression().fit(X, X.sum(axis=1) > 0)
%deploy clf --name churn --sample X
%deploy clf --name churn --sample X
"""
#: A folder for pictures to be looked at by a person.
PICTURES = os.environ.get("DASHBOARD_PICTURES")
DEPLOYS_MILLISECONDS = 180_000
#: At fewer than 50 a second they take more than two of the panel's rounds of three seconds.
SERVED_MEANWHILE = 300
#: What a browser does to the page of a tab that goes to the back; one without a screen has none.
HIDE = """hidden => {
  const visibilityState = hidden ? 'hidden' : 'visible';
  for (const [name, value] of Object.entries({ hidden, visibilityState })) {
    Object.defineProperty(document, name, { configurable: true, value });
  }
  document.dispatchEvent(new Event('visibilitychange'));
}"""
FIGURES_HAVE_THE_GROUND = """([where, of]) => {
  const ground = getComputedStyle(document.querySelector(of)).backgroundColor;
  const figures = document.querySelectorAll(`${where} .main-svg:first-child`);
  return figures.length > 0 && [...figures].every(
    one => getComputedStyle(one).backgroundColor === ground
  );
}"""
CELLS = (MODEL, "%monitor churn --window 5m")


@pytest.fixture(scope="module")
def page(lab: Lab):
    with chromium() as context:
        page = context.new_page()
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        yield opened(page, lab)


@pytest.fixture(scope="module")
def load(lab: Lab, page) -> Iterator[list[int]]:
    """Two versions are deployed, and somebody calls the endpoint until the end: the statuses."""
    run_first_cell(page, DEPLOYS_MILLISECONDS)
    over = threading.Event()
    with wait_until(running, 20.0) as client:
        status = client.endpoint("churn")
    answered: list[int] = []
    thread = threading.Thread(target=_call, args=(status.url, status.key_file, over, answered))
    thread.start()
    yield answered
    over.set()
    thread.join(20)


def _call(url: str, key_file: str, over: threading.Event, answered: list[int]) -> None:
    headers = {"authorization": f"Bearer {Path(key_file).read_text()}"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        number = 0
        while not over.wait(0.02):
            number += 1
            bad = [["x", 1.0]] if number % 15 == 0 else [[0.3, number % 7 - 3.0]]
            path = "/versions/1.0.0/invocations" if number % 4 == 0 else "/invocations"
            answered.append(client.post(path, json={"inputs": bad}).status_code)


def requests_shown(page, where: str) -> int:
    text = page.locator(f"{where} .jp-DeployDashboard-totals").inner_text()
    return int(text.split(" requests")[0].replace(",", ""))


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")


def of_plotly(page) -> list[str]:
    # A build numbers its chunks: the one of plotly is by far the largest.
    large = [one.name for one in (BUILT / "static").glob("*.js") if one.stat().st_size > 500_000]
    assert len(large) == 1
    return [url for url in page.asked if large[0] in url]


def test_plotly_is_loaded_when_a_figure_is_shown_and_not_before(page, load):
    assert not of_plotly(page)
    execute(page, "jupyter-deploy:show-panel")
    page.locator(".jp-DeployPanel").get_by_role("button", name="churn").click()
    page.locator(".jp-Deploy-spark").first.wait_for()
    picture(page, "list-light")
    assert not of_plotly(page)
    page.get_by_role("button", name="Open the dashboard").click()
    page.locator(".jp-DeployDashboard .js-plotly-plot").nth(3).wait_for()
    assert of_plotly(page)


def test_the_figures_move_under_load_without_being_drawn_anew(page, load):
    where = ".jp-DeployDashboard:not(.jp-mod-output)"
    page.locator(where).get_by_label("Range").select_option("300")
    node = page.locator(f"{where} .js-plotly-plot").first.element_handle()
    before = requests_shown(page, where)
    wait_until(lambda: requests_shown(page, where) > before + 20, 60.0)
    assert node.evaluate("node => node.isConnected && node.querySelectorAll('.trace').length > 0")
    summary = page.get_by_role("img", name="Requests: all")
    summary.wait_for()
    assert page.get_by_role("img", name="1.1.0: classes predicted").count() == 1
    page.locator(where).get_by_label("Show").select_option("versions")
    page.locator(where).get_by_role("img", name="Requests: 1.1.0").wait_for()


@pytest.mark.parametrize("theme", THEMES)
def test_there_is_no_serious_finding_about_accessibility_of_the_dashboard(page, load, theme):
    choose_theme(page, theme)
    where = ".jp-DeployDashboard:not(.jp-mod-output)"
    page.wait_for_function(FIGURES_HAVE_THE_GROUND, arg=[where, where], timeout=60_000)
    page.locator(".jp-DeployDashboard details").evaluate_all("all => { all[0].open = true; }")
    assert not serious(page, ".jp-DeployDashboard")
    picture(page, f"dashboard {theme}")


def test_nothing_is_asked_of_a_dashboard_that_nobody_sees(page, load):
    opening = "window.jupyterapp.commands.execute('docmanager:open', {path: 'model.ipynb'})"
    page.evaluate(f"void {opening}")
    page.locator(".jp-DeployDashboard:not(.jp-mod-output)").wait_for(state="hidden")
    with page.expect_response("**/jupyter-deploy/api/status*"):
        pass
    del page.asked[:]
    # The panel goes on asking for the status; of the dashboard there is nothing between two asks.
    for _ in range(2):
        with page.expect_response("**/jupyter-deploy/api/status*"):
            pass
    assert not [url for url in page.asked if "/metrics?" in url]


def test_nothing_is_asked_of_what_is_hidden(page, load):
    execute(page, "application:toggle-left-area")
    panel(page).wait_for(state="hidden")
    of_ours = asked_while_it_serves(page, load)
    assert not [url for url in of_ours if "/metrics?" not in url]
    execute(page, "application:toggle-left-area")
    with page.expect_response("**/jupyter-deploy/api/status*"):
        panel(page).wait_for()


def test_nothing_is_asked_in_a_tab_of_the_browser_that_is_hidden(page, load):
    page.evaluate(HIDE, arg=True)
    asked_while_it_serves(page, load)  # whatever was under way is over
    assert not asked_while_it_serves(page, load)
    with page.expect_response("**/jupyter-deploy/api/status*"):
        page.evaluate(HIDE, arg=False)


def asked_while_it_serves(page, load: list[int]) -> list[str]:
    """What is asked of the extension while a good number of requests are served: some seconds."""
    del page.asked[:]
    before = len(load)
    while len(load) < before + SERVED_MEANWHILE:
        # Playwright hears of requests only while it is asked for something.
        page.evaluate("document.title")
        threading.Event().wait(0.05)
    return [url for url in page.asked if "/jupyter-deploy/" in url]


def test_the_output_of_monitor_goes_on_when_its_cell_has_ended(page, load, lab):
    page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-InputArea-editor").click()
    execute(page, "notebook:run-cell")
    where = ".jp-DeployDashboard.jp-mod-output"
    page.locator(f"{where} .js-plotly-plot").first.wait_for(timeout=60_000)
    page.locator(where).scroll_into_view_if_needed()
    before, active = requests_shown(page, where), kernel_active(page)
    wait_until(lambda: requests_shown(page, where) > before, 60.0)
    assert kernel_active(page) == active, "an idle kernel is culled all the same"
    picture(page, "monitor-light")
    for theme in THEMES:
        choose_theme(page, theme)
        ground = [where, ".jp-Notebook"]
        page.wait_for_function(FIGURES_HAVE_THE_GROUND, arg=ground, timeout=60_000)
    execute(page, "docmanager:save")
    file = lab.root / "model.ipynb"
    wait_until(lambda: MIME in file.read_text(), 30.0)
    saved = nbformat.read(file, 4).cells[1].outputs[0]["data"]
    assert "data:image/svg+xml" in "".join(saved["text/html"])
    for cell in nbformat.read(file, 4).cells:
        assert len(json.dumps(cell.outputs)) < 200_000


def kernel_active(page) -> str:
    """When the notebook's kernel was last active, by the server's word."""
    (kernel,) = page.evaluate(
        "window.jupyterapp.serviceManager.kernels.refreshRunning().then("
        "() => [...window.jupyterapp.serviceManager.kernels.running()])"
    )
    return str(kernel["last_activity"])


def test_the_saved_notebook_has_figures_and_cards_without_kernel_and_extension(page, load, lab):
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter(embed_images=True).from_filename(str(lab.root / "model.ipynb"))
    (lab.root / "model.html").write_text(html)
    with page.context.new_page() as elsewhere:
        elsewhere.goto((lab.root / "model.html").as_uri())
        shows_what_was_saved(elsewhere)
        picture(elsewhere, "saved-html")


def test_a_lab_that_lacks_the_extension_and_the_trust_shows_them_too(page, load, lab):
    notebook = nbformat.read(lab.root / "model.ipynb", 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("What is changed is not trusted."))
    nbformat.write(notebook, lab.root / "elsewhere.ipynb")
    with page.context.new_page() as elsewhere:
        elsewhere.route("**/tree/elsewhere.ipynb*", without_the_extension)
        opened(elsewhere, lab, "lab/tree/elsewhere.ipynb")
        elsewhere.locator(".jp-Notebook").wait_for()
        assert not elsewhere.evaluate("window.jupyterapp.hasPlugin('jupyterlab-deploy:model')")
        shows_what_was_saved(elsewhere)
        picture(elsewhere, "saved-elsewhere")


def test_the_output_of_a_notebook_that_comes_to_be_trusted_begins_to_live(page, load, lab):
    with page.context.new_page() as elsewhere:
        opened(elsewhere, lab, "lab/tree/elsewhere.ipynb")
        where = ".jp-DeployDashboard.jp-mod-output"
        elsewhere.locator(where).scroll_into_view_if_needed()
        still = elsewhere.get_by_text("As it was when the cell ran.")
        still.wait_for()
        before = requests_shown(elsewhere, where)
        elsewhere.evaluate("void window.jupyterapp.commands.execute('notebook:trust')")
        elsewhere.get_by_role("button", name="Trust").click()
        still.wait_for(state="detached")
        wait_until(lambda: requests_shown(elsewhere, where) > before, 20.0)


def without_the_extension(route) -> None:
    answer = route.fetch()
    head, config, rest = re.split(
        r'(?<=id="jupyter-config-data" type="application/json">)(.*?)(?=</script>)',
        answer.text(), maxsplit=1, flags=re.DOTALL,
    )  # fmt: skip
    told = json.loads(config) | {"federated_extensions": []}
    route.fulfill(response=answer, body=head + json.dumps(told) + rest)


def shows_what_was_saved(page) -> None:
    page.get_by_text("churn 1.1.0").first.wait_for(state="attached")
    figure = page.get_by_role("img", name="Requests: now all")
    figure.scroll_into_view_if_needed()
    # A picture that cannot be decoded has no width of its own.
    page.wait_for_function("node => node.naturalWidth > 0", arg=figure.element_handle())
    assert page.get_by_role("img").filter(visible=True).count() >= 4


def test_the_panel_and_the_output_live_in_notebook_7_too(page, load, lab):
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    with page.context.new_page() as seven:
        opened(seven, lab, "notebooks/model.ipynb")
        execute(seven, "jupyter-deploy:show-panel")
        panel(seven).get_by_role("button", name="churn").click()
        panel(seven).get_by_role("heading", name="churn").wait_for()
        section(seven, "Try it").locator("summary").click()
        form = panel(seven).get_by_role("form", name="Try churn")
        form.get_by_role("button", name="Send").click()
        form.get_by_text("1.1.0 answered").wait_for()
        where = ".jp-DeployDashboard.jp-mod-output"
        seven.locator(where).scroll_into_view_if_needed()
        before = requests_shown(seven, where)
        wait_until(lambda: requests_shown(seven, where) > before, 60.0)
        picture(seven, "notebook-7")
