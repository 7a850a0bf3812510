"""The life of a model in the sidebar, as a person lives it, in a real browser.

The tests of this module go on from one another: each is a step of one journey.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_deploy.client.models import EndpointStatus
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.registry.location import using
from tests.browser.axe import THEMES, choose_theme, serious
from tests.browser.lab import (
    Lab,
    chromium,
    opened,
    run_first_cell,
)
from tests.browser.sidebar import execute, panel, section
from tests.support import wait_until

WHO = Origin("tests", "python")
DEPLOY_MILLISECONDS = 120_000
MODEL = """\
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train = X.iloc[:, :4]
clf = LogisticRegression(max_iter=1000).fit(X_train, y)
draft = LogisticRegression()
"""
WORSE = """\
def worse(frame):
    if frame["mean radius"].max() > 50:
        raise ValueError("who would have thought of that")
    return clf.predict(frame)

%deploy worse --name churn --sample X_train
"""
CELLS = (MODEL, WORSE)


@pytest.fixture(scope="module")
def page(lab: Lab):
    with chromium() as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield opened(page, lab)
        assert not errors


@contextlib.contextmanager
def calling(endpoint: EndpointStatus) -> Iterator[list[int]]:
    """Somebody calls the endpoint all the while: the statuses of the answers."""
    answers: list[int] = []
    over = threading.Event()
    key = Path(str(endpoint.key_file)).read_text()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def call() -> None:
        with httpx.Client(base_url=endpoint.url, headers=headers, timeout=30) as client:
            while not over.wait(0.02):
                answers.append(client.post("/invocations", content=endpoint.example).status_code)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join(20)


def test_the_panel_says_what_to_do_when_nothing_is_deployed(page):
    execute(page, "jupyter-deploy:show-panel")
    panel(page).get_by_text("Nothing is deployed yet").wait_for()
    assert panel(page).get_by_role("button", name="Deploy…").is_visible()
    assert not page.locator(".jp-DeployStatus").is_visible()


def test_a_model_of_the_notebook_is_deployed_by_a_cell_that_stays(page):
    run_first_cell(page, 60_000)
    panel(page).get_by_role("button", name="Deploy…").click()
    form = page.locator(".jp-DeployForm")
    form.get_by_text("contract from X_train, 569 rows").wait_for()
    assert form.get_by_role("radio", name="draft").is_disabled()
    form.get_by_label("Endpoint").fill("churn")
    page.get_by_role("button", name="Add a cell and run it").click()
    entry = panel(page).get_by_role("button", name="churn")
    entry.get_by_text("serving").wait_for(timeout=DEPLOY_MILLISECONDS)
    cells = page.locator(".jp-Notebook .jp-CodeCell .cm-content").all_inner_texts()
    assert "%load_ext jupyter_deploy\n%deploy clf --name churn" in cells
    page.locator(".jp-DeployStatus", has_text="1 serving").wait_for()


def test_an_endpoint_opens_by_keyboard_and_its_page_has_a_line_that_calls_it(page):
    panel(page).get_by_role("button", name="churn").focus()
    page.keyboard.press("Enter")
    heading = panel(page).get_by_role("heading", name="churn")
    heading.wait_for()
    assert heading.evaluate("node => node === document.activeElement")
    line = panel(page).locator(".jp-Deploy-snippet pre").first.inner_text()
    assert line.startswith("curl -s http://127.0.0.1:")
    assert "$(cat " in line
    assert "mean radius" in line


def test_a_second_version_can_be_rolled_back_and_the_time_is_shown(page):
    for _ in range(2):  # who asks twice, before there is a dialog, gets one
        execute(page, "jupyter-deploy:deploy-model")
    form = page.locator(".jp-DeployForm")
    form.get_by_label("Endpoint").fill("churn")
    page.get_by_role("button", name="Add a cell and run it").click()
    rollback = panel(page).get_by_role("button", name="Roll back to 1.0.0")
    rollback.wait_for(timeout=DEPLOY_MILLISECONDS)
    rollback.click()
    panel(page).get_by_text("Now serves 1.0.0. The switch took").wait_for()
    panel(page).get_by_role("button", name="Promote 1.1.0").click()
    panel(page).get_by_text("Now serves 1.1.0. The switch took").wait_for()


def test_a_good_row_is_answered_and_a_bad_one_is_refused_at_its_field(page):
    section(page, "Try it").locator("summary").click()
    form = panel(page).get_by_role("form", name="Try churn")
    first = form.get_by_label("mean radius", exact=True)
    assert float(first.input_value()) > 0, "it is filled with a row of the sample"
    form.get_by_role("button", name="Send").click()
    form.get_by_text("1.1.0 answered").wait_for()
    assert "predictions" in form.get_by_label("The answer").inner_text()
    first.fill("wide")
    form.get_by_role("button", name="Send").click()
    form.get_by_text("Refused with 400").wait_for()
    assert first.get_attribute("aria-invalid") == "true"
    said = page.locator(f"[id='{first.get_attribute('aria-describedby')}']").inner_text()
    assert said == "Expected number, got string."
    refused = panel(page).locator(".jp-Deploy-rates").get_by_text("refused")
    refused.wait_for()
    assert refused.get_attribute("data-tone") is None, "a fault of the caller is not ours"
    form.get_by_role("button", name="Row of the sample").click()
    section(page, "Try it").locator("summary").click()


def test_a_key_is_created_copied_once_and_revoked_and_is_seen_nowhere(page, lab, control):
    section(page, "Consumers and keys").locator("summary").click()
    panel(page).get_by_label("Consumer", exact=True).fill("billing")
    panel(page).get_by_label("Rate").fill("100/minute")
    # Who sends the form twice gets one key.
    form = panel(page).get_by_role("form", name="New key")
    form.evaluate("form => { form.requestSubmit(); form.requestSubmit(); }")
    panel(page).get_by_role("button", name="Copy the key").click()
    copied = panel(page).get_by_role("button", name="Copied")
    copied.wait_for()
    assert copied.is_disabled()
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret.startswith("jd_live_")
    assert secret not in page.content()
    assert secret not in lab.log.read_text()
    made = [key for key in control.keys("churn") if key.consumer == "billing"]
    assert len(made) == 1
    panel(page).get_by_role("button", name="Revoke the key of billing").click()
    dialog = page.locator(".jp-Dialog")
    assert "churn" in dialog.inner_text()
    dialog.get_by_role("button", name="Revoke the key").click()
    section(page, "Consumers and keys").get_by_text("revoked").wait_for()


def test_stop_asks_with_the_name_and_no_is_an_answer(page, control):
    panel(page).get_by_role("button", name="Stop…").click()
    dialog = page.locator(".jp-Dialog")
    assert "Stop churn?" in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
    assert control.endpoint("churn").state == "serving"


def test_a_replica_that_was_killed_is_said_and_replaced(page, control):
    fold = section(page, "What happened")
    fold.locator("summary").click()
    (replica,) = control.endpoint("churn").versions[-1].replicas
    os.kill(replica.pid, signal.SIGKILL)
    killed = f"A replica of churn 1.1.0 (pid {replica.pid}) was killed by SIGKILL"
    fold.get_by_text(killed).wait_for()
    fold.get_by_text("churn 1.1.0 is up again").wait_for()
    section(page, "Replicas").locator("summary").click()
    row = section(page, "Replicas").get_by_role("row").nth(1)
    row.get_by_text("ready").wait_for()
    assert row.get_by_role("cell").last.inner_text() == "1", "one restart"


def test_an_alias_that_was_moved_in_mlflow_is_offered_and_not_followed(page, control):
    first, second = control.endpoint("churn").versions[:2]
    with using(control.status().registry.tracking_uri) as client:
        # Moved before MLflow was told of the second, it would be where we had put it last.
        wait_until(lambda: alias_of(client) == second.mlflow_version, 60.0)
        client.set_registered_model_alias("churn", "active", first.mlflow_version)
    panel(page).get_by_role("button", name="Look again").click()
    strip = panel(page).locator(".jp-Deploy-strip", has_text="MLflow's alias active names 1.0.0")
    strip.wait_for(timeout=60_000)
    assert "1.1.0 serves" in strip.inner_text()
    assert strip.get_by_role("button", name="Serve 1.0.0").is_visible()
    assert control.endpoint("churn").active == "1.1.0"
    strip.get_by_role("button", name="Put back").click()
    strip.wait_for(state="detached")
    changed = control.audit("churn")[0]
    assert (changed.action, changed.origin.via) == ("alias-put-back", "lab")
    with using(control.status().registry.tracking_uri) as client:
        assert alias_of(client) == second.mlflow_version


def shown_state(page) -> str:
    """What fails in part, as it did a moment ago, is said to for a minute."""
    return panel(page).locator(".jp-Deploy-titleRow .jp-Deploy-state").inner_text()


def alias_of(client) -> str:
    """The number of the version that `active` names; empty before MLflow was told of any."""
    return str(client.get_registered_model("churn").aliases.get("active", ""))


def test_a_worse_version_is_said_to_be_with_the_trace_and_rolled_back(page, control):
    page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-InputArea-editor").click()
    execute(page, "notebook:run-cell")
    rollback = panel(page).get_by_role("button", name="Roll back to 1.1.0")
    rollback.wait_for(timeout=DEPLOY_MILLISECONDS)
    section(page, "Try it").locator("summary").click()
    form = panel(page).get_by_role("form", name="Try churn")
    form.get_by_label("mean radius", exact=True).fill("51")
    form.get_by_role("button", name="Send").click()
    form.get_by_text("The model failed on these values (500)").wait_for()
    assert not form.get_by_text("Refused").is_visible()
    panel(page).locator(".jp-Deploy-titleRow", has_text="failing in part").wait_for()
    form.get_by_role("button", name="Read the trace").click()
    section(page, "Failed requests").get_by_text("who would have thought of that").first.wait_for()
    section(page, "Failed requests").locator("summary").first.click()
    section(page, "Try it").locator("summary").click()
    strip = panel(page).get_by_role("alert").filter(has_text="failed on our side")
    strip.get_by_text("or roll back to 1.1.0").wait_for()
    strip.get_by_role("button", name="Read why").click()
    failed = section(page, "Failed requests")
    failed.get_by_text("who would have thought of that").first.click()
    failed.get_by_label("The trace").get_by_text("in worse").wait_for()
    rollback.click()
    panel(page).get_by_text("Now serves 1.1.0. The switch took").wait_for()
    assert control.endpoint("churn").active == "1.1.0"


def test_a_change_made_elsewhere_is_shown_before_the_next_poll(page, control):
    stopped = panel(page).locator(".jp-Deploy-titleRow", has_text="stopped")
    control.undeploy("churn", WHO)
    stopped.wait_for(timeout=2_500)  # milliseconds; the panel asks by itself every three seconds
    panel(page).get_by_role("button", name="Promote 1.0.0").click()
    stopped.wait_for(state="detached")
    assert control.endpoint("churn").state == "serving"
    wait_until(lambda: shown_state(page) == control.endpoint("churn").seen_state, 5)


@pytest.mark.parametrize("theme", THEMES)
def test_there_is_no_serious_finding_about_accessibility(page, theme):
    choose_theme(page, theme)
    assert not serious(page, ".jd-card")
    opening = "folds => folds.forEach(fold => { fold.open = true; })"
    panel(page).locator("details").evaluate_all(opening)
    section(page, "Who changed what").get_by_text("deployed").first.wait_for()
    assert not serious(page, ".jp-DeployPanel")
    for button in ("Stop…", "Rotate the key of notebook"):
        panel(page).get_by_role("button", name=button).click()
        page.locator(".jp-Dialog").get_by_role("button", name="Cancel").wait_for()
        assert not serious(page, ".jp-Dialog")
        page.keyboard.press("Escape")
    execute(page, "jupyter-deploy:deploy-model")
    for source in ("From the notebook", "From the MLflow registry"):
        page.locator(".jp-DeployForm").get_by_role("button", name=source).click()
        page.locator(".jp-DeployForm pre").wait_for(timeout=60_000)
        assert not serious(page, ".jp-Dialog")
    page.keyboard.press("Escape")
    panel(page).get_by_role("button", name="All endpoints").click()
    assert not serious(page, ".jp-DeployPanel")
    panel(page).get_by_role("button", name="churn").click()


def test_the_context_menu_of_an_entry_is_about_that_endpoint(page):
    panel(page).get_by_role("button", name="All endpoints").click()
    panel(page).get_by_role("button", name="churn").click(button="right")
    page.get_by_role("menuitem", name="Copy the URL").click()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/endpoints/churn/invocations")
    panel(page).get_by_role("button", name="churn").click(button="right")
    page.get_by_role("menuitem", name="Stop…").click()
    dialog = page.locator(".jp-Dialog")
    assert "Stop churn?" in dialog.inner_text()
    dialog.get_by_role("button", name="Cancel").click()
    panel(page).get_by_role("button", name="churn").click()


def test_who_stops_lab_and_comes_back_finds_what_went_on_serving(page, lab, control):
    with calling(control.endpoint("churn")) as answers:
        lab.stop()
        panel(page).get_by_text("The Jupyter server does not answer").wait_for(timeout=60_000)
        during = len(answers)
        wait_until(lambda: len(answers) > during + 20)
        lab.start(lab.port)
        back = len(answers)
        strip = panel(page).get_by_text("What you see may be out of date.")
        strip.wait_for(state="detached")
        assert control.endpoint("churn").state == "serving"
        wait_until(lambda: shown_state(page) == control.endpoint("churn").seen_state, 5)
        wait_until(lambda: len(answers) > back + 20)
    assert set(answers) == {200}


def test_a_supervisor_that_was_stopped_is_said_with_the_command_that_starts_it(page, control):
    control.stop(WHO)
    panel(page).get_by_text("The supervisor is not running").wait_for(timeout=60_000)
    assert panel(page).get_by_text("jupyter endpoint start", exact=True).is_visible()
