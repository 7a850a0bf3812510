"""Cards say the same as HTML and as text, escape everything, and stay small."""

import html as html_module
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from jupyter_deploy.client.models import (
    EndpointStatus,
    IssuedKey,
    KeyStatus,
    Recent,
    ReplicaStatus,
    RequestFailure,
    StepStatus,
    TrafficChanged,
    VersionStatus,
)
from jupyter_deploy.core.contract import Contract, Form
from jupyter_deploy.core.manifest import Loader, LoaderKind, Manifest, Origin, RegisteredModel
from jupyter_deploy.errors import NotReproduced, ReplicaFailed
from jupyter_deploy.notebook import card, cards, keycards
from jupyter_deploy.notebook.card import Card, Link, Mark, Table

NOW = 1_763_900_000.0
EVIL = "<script>alert('x')</script>\"&"
NAMES = ("contract", "package", "register", "prove", "start", "switch")
ORIGIN = Origin("ada", "notebook", "/home/ada/quickstart.ipynb", "c0ffee12-34")


def steps(*states):
    return [StepStatus(name, state, 0.5) for name, state in zip(NAMES, states, strict=False)]


def version(number, state, *, why="same contract: minor", **more):
    mlflow = number.partition(".")[0]
    replicas = (ReplicaStatus("a", 7, "ready"),) if state in ("active", "standby") else ()
    return VersionStatus(
        number, state, mlflow, f"models:/churn/{mlflow}", NOW, ORIGIN, why,
        replicas=replicas, **more,
    )  # fmt: skip


def endpoint(*versions, name="churn", key_file="/home/ada/my keys/notebook.key"):
    active = next((v.version for v in versions if v.state == "active"), None)
    url = f"http://127.0.0.1:8900/endpoints/{name}"
    return EndpointStatus(name, url, "serving", active, None, 4, versions, key_file)


def manifest(example='{"dataframe_split":{"columns":["it\'s"],"data":[[1]]}}', uri="sqlite:///x"):
    return Manifest(
        Contract(Form.ANY), Loader(LoaderKind.SKOPS), RegisteredModel(uri, "churn", "1"),
        "python", "digest", example=example, sample_origin="frame X_train, 5282 rows",
    )  # fmt: skip


def deployed(**more):
    new = version("1.1.0", "active", previous="1.0.0")
    return cards.deployed(new, endpoint(new), manifest(**more), steps(*["done"] * 6), ["a note"])


def test_the_card_says_from_how_many_to_how_many_replicas_there_may_be():
    new = version("1.1.0", "active", least_replicas=1, most_replicas=4)
    shown = cards.deployed(new, endpoint(new), manifest(), steps(*["done"] * 6), [])
    assert dict(shown.facts)["Replicas"] == "1 of 1 ready; 1 to 4, as the load needs"


def test_what_a_caller_has_written_is_a_row_of_a_terminal_and_no_order_to_it():
    message = "no such\nword: \x1b]0;title\x07\x9b31m"
    failed = RequestFailure("r1", NOW, "1.0.0", "crm", "model-failed", message, f"trace {message}")
    table = card.text(cards.failures("churn", [failed])).splitlines()
    assert len(table) == 5
    assert table[2].endswith(r"no such word: \x1b]0;title\x07\x9b31m")
    assert all(line.isprintable() for line in card.text(cards.failure(failed)).splitlines())


def test_an_endpoint_of_which_nothing_has_failed_is_not_said_to_serve():
    assert card.text(cards.failures("churn", [])) == "churn: no failed requests"


@pytest.mark.parametrize(("active", "back"), [("1.0.0", "1.0.0"), (None, "1.1.0")])
def test_what_served_can_be_brought_back_and_never_what_failed(active, back):
    states = {"1.0.0": "retired", "1.1.0": "retired", "1.2.0": "failed"}
    stopped = endpoint(*(version(one, state) for one, state in states.items()))
    shown = cards.undeployed(stopped, active)
    assert [line for _, line in shown.commands] == [f"%rollback churn --to {back}"]


KEY = KeyStatus("3f2aK9xQ12ab", "crm", ("churn",), NOW, "600/minute", NOW + 60, None, None)
FAILED = ReplicaFailed("start", "It ended.", "Mend it.", ["line 1", "ModuleNotFoundError: x"])
ALL = {
    "working": cards.working("churn", steps("done", "running", "waiting")),
    "deployed": deployed(),
    "failed": cards.failed("churn", steps("done", "failed"), FAILED, "1.0.0"),
    "stopped": cards.failed("churn", steps("done", "failed"), KeyboardInterrupt(), None),
    "endpoint": cards.endpoint(endpoint(version("1.0.0", "active"))),
    "endpoints": cards.endpoints([endpoint(version("1.0.0", "active"))]),
    "no endpoints": cards.endpoints([]),
    "versions": cards.versions("churn", [version("1.0.0", "active")]),
    "no versions": cards.versions("churn", []),
    "rollback": cards.changed(
        TrafficChanged("churn", "1.0.0", "1.1.0", 5, 0.034, warm=True), "rolled back"
    ),
    "undeployed": cards.undeployed(endpoint(version("1.0.0", "retired")), "1.0.0"),
    "issued": keycards.issued(IssuedKey(KEY, "/home/ada/keys/crm.key"), "created", NOW),
    "revoked": keycards.revoked(KEY),
    "keys": keycards.keys("churn", [KEY], NOW),
    "no keys": keycards.keys("churn", [], NOW),
    "errors": cards.failures(
        "churn", [RequestFailure("r1", NOW, "1.0.0", "crm", "model-failed", "m", "trace")]
    ),
    "no errors": cards.failures("churn", []),
}


class Words(HTMLParser):
    """The text of a page, without its style."""

    def __init__(self):
        super().__init__()
        self.words, self.tags, self._style = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.words += data.split()


def read(page):
    words = Words()
    words.feed(page)
    words.close()
    return words


@pytest.mark.parametrize("name", ALL)
def test_the_text_says_every_word_that_the_html_says(name):
    said = card.text(ALL[name]).replace(":", " ").replace("(", " ").replace(")", " ").split()
    read_words = [word.strip(":()") for word in read(card.html(ALL[name])).words]
    steps_only = {"in", "all", ""}
    pieces = {piece for word in read_words for piece in re.split(r"[:()]", word)}
    assert pieces - steps_only <= set(said) | {word.strip(":()") for word in said}


@pytest.mark.parametrize("name", ALL)
def test_a_card_is_small_and_runs_and_fetches_nothing(name):
    page = card.html(ALL[name])
    assert len(page.encode()) < 20_000
    assert not {"script", "img", "link", "iframe", "svg"} & {tag for tag, _ in read(page).tags}
    assert not [attrs for _, attrs in read(page).tags if any(a.startswith("on") for a in attrs)]
    assert "url(" not in page
    assert "@import" not in page


def test_everything_is_escaped():
    evil = Card(
        EVIL, Mark(EVIL), EVIL, ((EVIL, EVIL),), Table((EVIL,), ((EVIL,),)),
        (StepStatus(EVIL, EVIL, None, EVIL),), (EVIL,), (EVIL,), ((EVIL, EVIL),),
    )  # fmt: skip
    page = card.html(evil)
    assert "<script" not in page
    assert page.count(html_module.escape(EVIL).replace("&#x27;", "&#39;")[:20]) >= 12


def test_only_web_addresses_become_links():
    def links(href):
        page = card.html(Card("c", facts=(("MLflow", Link("there", href)),)))
        return [attrs["href"] for tag, attrs in read(page).tags if tag == "a"]

    assert links("https://mlflow/#/models/churn") == ["https://mlflow/#/models/churn"]
    assert links("javascript:alert(1)") == []


def test_a_tracking_uri_with_a_password_is_not_shown():
    shown = deployed(uri="https://ada:hunter2@mlflow.example")
    assert "hunter2" not in card.html(shown) + card.text(shown)
    assert "https://mlflow.example/#/models/churn/versions/1" in card.html(
        deployed(uri="https://mlflow.example")
    )


def test_an_endpoint_that_serves_and_fails_says_both():
    recent = Recent(1.0, 2.0, 0.3, 5, failed_share=0.2)
    failing = replace(endpoint(version("1.0.0", "active")), recent=recent)
    assert "failing in part" in card.text(cards.endpoints([failing]))
    assert "failing" not in card.text(cards.endpoints([replace(failing, recent=None)]))
    assert "failing" not in card.text(cards.endpoints([replace(failing, state="stopped")]))


def test_the_deploy_card_has_all_that_one_needs():
    said = card.text(deployed())
    for words in (
        "churn 1.1.0: active",
        "http://127.0.0.1:8900/endpoints/churn",
        "same contract: minor",
        "models:/churn/1",
        "1 of 1 ready",
        "from frame X_train, 5282 rows",
        "switch 0.50 s",
        "a note",
        "%rollback churn",
    ):
        assert words in said


def test_the_curl_line_is_quoted_for_a_shell():
    line = cards.curl(endpoint(version("1.0.0", "active")), '{"inputs": ["it\'s"]}')
    assert "$(cat '/home/ada/my keys/notebook.key')" in line
    assert """-d '{"inputs": ["it'"'"'s"]}'""" in line
    assert line.endswith("http://127.0.0.1:8900/endpoints/churn/invocations")


def test_an_example_that_is_too_long_is_left_to_a_file():
    new = version("1.1.0", "active")
    assert "-d @body.json" in cards.curl(endpoint(new), "x" * 100_000)
    assert len(card.html(deployed(example="x" * 1_000_000))) < 20_000


@pytest.mark.parametrize(
    ("action", "label", "line"),
    [
        ("rolled back", "Forward again to 1.1.0", "%promote churn"),
        ("promoted", "Go back to 1.1.0", "%rollback churn"),
    ],
)
def test_a_change_of_traffic_says_how_to_undo_it(action, label, line):
    moved = TrafficChanged("churn", "1.0.0", "1.1.0", 3, 0.012, warm=True)
    assert f"{label}:\n  {line}" in card.text(cards.changed(moved, action))


def test_a_staged_version_is_called_by_its_own_url_and_can_be_promoted():
    staged = version("1.1.0", "standby", previous="1.0.0")
    said = card.text(cards.deployed(staged, endpoint(staged), manifest(), [], []))
    assert "/endpoints/churn/versions/1.1.0/invocations" in said
    assert "%promote churn" in said


def test_a_failure_names_step_cause_way_out_log_and_what_is_untouched():
    error = NotReproduced("prove", "3 rows differ.", "Pass `threshold` in.", ["NameError: x"])
    said = card.text(cards.failed("churn", steps("done", "done", "done", "failed"), error, "1.1.0"))
    for words in (
        "failed at step prove",
        "3 rows differ.",
        "Pass `threshold` in.",
        "| NameError: x",
        "✗ prove",
        "churn 1.1.0 goes on serving, untouched.",
    ):
        assert words in said


def test_the_rollback_card_says_the_measured_time():
    assert "In 34 ms; it was warm." in card.text(ALL["rollback"])


def test_the_history_says_who_when_where_and_why_newest_first():
    history = [version("1.0.0", "standby", why="first"), version("1.1.0", "active")]
    said = card.text(cards.versions("churn", history))
    assert said.index("1.1.0") < said.index("1.0.0")
    assert re.search(r"1\.0\.0 +standby +models:/churn/1 +ada +\d{4}-\d\d-\d\d \d\d:\d\d", said)
    assert re.search(r"quickstart\.ipynb, cell c0ffee12 +first", said)


def test_a_version_made_outside_of_a_named_notebook_says_what_is_known():
    def where(**told):
        made = replace(version("1.0.0", "active"), origin=Origin("ada", **told))
        return card.text(cards.versions("churn", [made]))

    assert "notebook, In [4]  same" in where(via="notebook", cell="In [4]")
    assert "python  same" in where(via="python")


def test_a_failed_version_says_why_with_the_end_of_its_log():
    failed = version("1.1.0", "failed", reason="killed: out of memory", log=("last line",))
    said = card.text(cards.versions("churn", [version("1.0.0", "active"), failed]))
    assert "1.1.0 failed: killed: out of memory" in said
    assert "| last line" in said


def test_a_key_that_has_expired_or_was_revoked_says_so():
    assert "expired" in card.text(keycards.keys("churn", [KEY], NOW + 61))
    assert "revoked" in card.text(keycards.revoked(KEY))


def test_the_old_secret_of_a_revoked_key_is_not_called_good():
    rotated = replace(KEY, previous_until=NOW + 30)
    assert "Old secret" in card.text(keycards.revoked(rotated))
    assert "Old secret" not in card.text(keycards.revoked(replace(rotated, revoked_at=NOW)))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0042, "0.004 s"), (0.42, "0.42 s"), (7.31, "7.3 s"), (125.0, "2 min 5 s"), (None, "")],
)
def test_times_read_as_a_person_says_them(value, said):
    assert card.seconds(value) == said
