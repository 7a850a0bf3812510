"""The same journey by keyboard alone: wherever a person is, the focus is seen and never lost.

The tests of this module go on from one another: each is a step of one journey.
"""

from __future__ import annotations

import pytest

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.core.manifest import Origin
from tests.browser.keyboard import Keyboard
from tests.browser.lab import (
    Lab,
    chromium,
    opened,
    run_first_cell,
)
from tests.browser.sidebar import execute, panel
from tests.support import wait_until

WHO = Origin("tests", "python")
DEPLOY_MILLISECONDS = 120_000
#: Two endpoints, so that there is a list to go through.
MODEL = """\
%load_ext jupyter_deploy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True, as_frame=True)
a_draft = LogisticRegression()
clf = LogisticRegression(max_iter=1000).fit(X, y)
%deploy clf --name basic
"""
CELLS = (MODEL,)


@pytest.fixture(scope="module")
def page(lab: Lab):
    with chromium() as context:
        page = opened(context.new_page(), lab)
        run_first_cell(page, DEPLOY_MILLISECONDS)
        yield page


@pytest.fixture(scope="module")
def keyboard(page) -> Keyboard:
    return Keyboard(page)


def palette(keyboard: Keyboard, command: str) -> None:
    keyboard.press("Control+Shift+c")
    keyboard.page.locator(".lm-CommandPalette-input:focus").wait_for()
    keyboard.page.keyboard.type(command)
    keyboard.page.locator(".lm-CommandPalette-item.lm-mod-active", has_text=command).wait_for()
    keyboard.press("Enter")


def test_the_palette_leads_into_the_panel(keyboard):
    palette(keyboard, "Show Deployed Models")
    assert keyboard.wait_for("basic").in_panel


def test_the_dialog_begins_at_the_choice_and_gives_the_focus_back(keyboard, page):
    keyboard.to("Deploy a model of this notebook…", back=True)
    for key in ("Enter", "Space"):
        keyboard.press(key)
        page.locator(".jp-DeployForm input[type=radio]:checked:focus").wait_for()
        keyboard.press("Escape")
        assert keyboard.wait_for("Deploy a model of this notebook…").in_panel


def test_a_model_is_deployed(keyboard, page):
    keyboard.press("Enter")
    page.locator(".jp-DeployForm input[type=radio]:checked:focus").wait_for()
    keyboard.to("Endpoint")
    keyboard.type("churn")
    keyboard.press("Enter")
    page.locator(".jp-Notebook:focus, .jp-Notebook :focus").wait_for(state="attached")
    entry = panel(page).get_by_role("button", name="churn")
    entry.get_by_text("serving").wait_for(timeout=DEPLOY_MILLISECONDS)


def test_the_list_is_gone_through_and_a_page_opens_and_closes_in_place(keyboard, page):
    palette(keyboard, "Show Deployed Models")
    keyboard.wait_for("Deploy a model of this notebook…")
    keyboard.to("basic")
    keyboard.press("ArrowDown")
    assert keyboard.focused().name == "churn"
    keyboard.press("Home", "ArrowUp")
    assert keyboard.focused().name == "basic"
    keyboard.press("End")
    for key in ("Enter", "Space"):
        keyboard.press(key)
        panel(page).get_by_role("heading", name="churn").wait_for()
        assert keyboard.wait_for("churn").role == "h2"
        keyboard.to("All endpoints", back=True)
        keyboard.press(key)
        panel(page).get_by_role("list", name="Endpoints").wait_for()
        assert keyboard.wait_for("churn").role == "button"


def test_the_focus_stays_in_a_list_that_is_put_in_another_order(keyboard, page, control):
    assert panel(page).locator("li").nth(0).inner_text().startswith("basic")
    control.undeploy("basic", WHO)
    panel(page).get_by_role("button", name="basic").get_by_text("stopped").wait_for()
    assert keyboard.focused().name == "churn"


def test_traffic_is_moved_and_the_focus_stays_near(keyboard, page, control):
    keyboard.press("Enter")
    keyboard.wait_for("churn")
    palette(keyboard, "Deploy…")
    page.locator(".jp-DeployForm input[type=radio]:checked:focus").wait_for()
    keyboard.to("Endpoint")
    keyboard.type("churn")
    keyboard.press("Enter")
    panel(page).get_by_role("button", name="Roll back to 1.0.0").wait_for(
        timeout=DEPLOY_MILLISECONDS
    )
    palette(keyboard, "Show Deployed Models")
    keyboard.wait_for("churn")
    keyboard.to("Roll back to 1.0.0")
    keyboard.press("Enter")
    panel(page).get_by_text("Now serves 1.0.0. The switch took").wait_for()
    wait_until(lambda: control.endpoint("churn").active == "1.0.0")
    assert keyboard.wait_for("churn").role == "h2", "the button is gone: the page's head is next"
    keyboard.to("Promote 1.1.0")
    keyboard.press("Space")
    panel(page).get_by_text("Now serves 1.1.0. The switch took").wait_for()
    assert keyboard.wait_for("1.1.0").role == "li", "the button is gone: its row is next"


def test_it_is_tried(keyboard, page):
    keyboard.to("Try it")
    keyboard.press("Enter")
    panel(page).get_by_role("form", name="Try churn").wait_for()
    keyboard.to("sepal length (cm)")
    keyboard.type("wide")
    keyboard.press("Enter")
    panel(page).get_by_text("Refused with 400").wait_for()
    assert keyboard.focused().name == "sepal length (cm)"
    keyboard.type("5.1")
    keyboard.to("Send")
    keyboard.press("Space")
    panel(page).get_by_text("1.1.0 answered").wait_for()
    assert keyboard.focused().name == "Send"


def test_a_key_is_created_copied_and_revoked(keyboard, page):
    keyboard.to("Consumers and keys")
    keyboard.press("Enter")
    keyboard.to("Consumer")
    keyboard.type("billing")
    keyboard.press("Enter")
    panel(page).get_by_role("button", name="Copy the key").wait_for()
    assert keyboard.focused().name == "Consumer"
    keyboard.to("Copy the key", back=True)
    keyboard.press("Enter")
    keyboard.wait_for("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("jd_live_")
    keyboard.to("Revoke the key of billing", back=True)
    keyboard.press("Enter")
    keyboard.wait_for("Cancel")
    keyboard.press("Escape")
    keyboard.wait_for("Revoke the key of billing")
    keyboard.press("Enter")
    keyboard.wait_for("Cancel")
    keyboard.to("Revoke the key")
    keyboard.press("Enter")
    panel(page).get_by_text("revoked").wait_for()
    assert keyboard.wait_for("billing").role == "li", "the button is gone: its row is next"


def test_older_versions_are_shown_when_they_are_asked_for(keyboard, page):
    def with_history(route):
        answer = route.fetch()
        status = answer.json()
        (churn,) = (one for one in status["endpoints"] if one["name"] == "churn")
        old = churn["versions"][0] | {"state": "retired", "replicas": []}
        past = [old | {"version": f"0.{n}.0", "created_at": n} for n in range(20)]
        churn["versions"] = past + churn["versions"]
        route.fulfill(response=answer, json=status)

    versions = panel(page).locator(".jp-Deploy-versions > li")
    page.route("**/jupyter-deploy/api/status*", with_history)
    execute(page, "jupyter-deploy:refresh-endpoints")
    panel(page).get_by_role("button", name="Show all 22 versions").wait_for()
    assert versions.count() == 5
    keyboard.to("Show all 22 versions", back=True)
    keyboard.press("Enter")
    assert keyboard.wait_for("Show fewer").role == "button"
    assert versions.count() == 22
    assert versions.last.inner_text().startswith("0.0.0")
    keyboard.press("Space")
    keyboard.wait_for("Show all 22 versions")
    assert versions.count() == 5
    page.unroute("**/jupyter-deploy/api/status*")


def test_what_the_dialog_was_asked_from_may_be_gone_when_it_closes(keyboard, page, control):
    keyboard.to("Stop…", back=True)
    keyboard.press("Enter")
    keyboard.wait_for("Cancel")
    control.undeploy("churn", WHO)
    panel(page).locator(".jp-Deploy-titleRow", has_text="stopped").wait_for()
    keyboard.press("Escape")
    assert keyboard.wait_for("churn").role == "h2"


def test_a_stop_is_asked_for_and_the_way_back_is_open(keyboard, page, control):
    keyboard.to("Promote 1.1.0")
    keyboard.press("Enter")
    panel(page).locator(".jp-Deploy-titleRow", has_text="serving").wait_for()
    keyboard.to("Stop…", back=True)
    keyboard.press("Enter")
    keyboard.wait_for("Cancel")
    keyboard.to("Stop churn")
    keyboard.press("Enter")
    panel(page).locator(".jp-Deploy-titleRow", has_text="stopped").wait_for()
    assert keyboard.wait_for("churn").role == "h2"
    keyboard.to("All endpoints", back=True)
    keyboard.press("Enter")
    assert keyboard.wait_for("churn").role == "button"


def test_whoever_types_in_a_notebook_keeps_the_focus_when_a_page_is_drawn_again(
    keyboard, page, control
):
    keyboard.press("Enter")
    keyboard.wait_for("churn")
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    control.stop(WHO)
    panel(page).get_by_text("The supervisor is not running").wait_for(timeout=60_000)
    assert page.locator(".cm-content:focus").count() == 1
    connect().close()
    panel(page).get_by_role("heading", name="churn").wait_for(timeout=60_000)
    assert page.locator(".cm-content:focus").count() == 1
