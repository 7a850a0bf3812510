"""The figures of an endpoint as a notebook keeps them."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from jupyter_deploy.client.figures import EndpointMetrics, MetricsMark
from jupyter_deploy.core.predictions import bins_of
from jupyter_deploy.core.series import MOST_POINTS, Counts, Record
from jupyter_deploy.notebook import figures, palette
from jupyter_deploy.notebook.shown import Metrics
from jupyter_deploy.supervisor.metrics.baselines import Baseline
from jupyter_deploy.supervisor.metrics.document import Axis, document

NOW = 1_000_000.0
WINDOW = 3600.0


def busy(versions: int = 5, consumers: int = 5) -> EndpointMetrics:
    """An hour of a busy endpoint, with irregular figures: the most that a document holds."""
    random = np.random.default_rng(0)
    axis = Axis.of(WINDOW, NOW)
    records = [
        Record(
            at, "churn", f"1.{version}.0", f"consumer-{consumer}",
            Counts(
                statuses={200: int(random.integers(1, 9000)), 400: int(random.integers(9)), 500: 1},
                seconds={int(random.integers(-160, 20)): 100},
            ),
        )
        for at in range(axis.start, axis.now, axis.step)
        for version in range(versions)
        for consumer in range(consumers)
    ]  # fmt: skip
    bins = tuple(float(n) for n in range(21))
    marks = [
        MetricsMark(at, "deploy", "", f"deployed: all traffic to 1.{n}.0 <b>")
        for n, at in enumerate(range(axis.start, axis.now, 75))
    ]
    return document(
        "churn", records, axis, WINDOW, marks=marks,
        baseline=lambda _: Baseline(bins, Counts(values=dict.fromkeys(range(20), 10))),
    )  # fmt: skip


@pytest.mark.parametrize("values", [[100.0, 100.5], [1.0, np.nextafter(1, 2)], [0, 20_000]])
def test_no_two_bins_of_predictions_have_one_name(values):
    bins = bins_of(np.array(values))
    told = document(
        "churn", [Record(int(NOW) - 60, "churn", "1.0.0", "", Counts(values={1: 5}))],
        Axis.of(WINDOW, NOW), WINDOW, marks=[], baseline=lambda _: Baseline(bins),
    )  # fmt: skip
    (shown,) = told.predictions
    assert len(set(shown.names)) == len(shown.names) == len(bins) + 1


def test_a_saved_dashboard_adds_less_than_200_kb():
    bundle = Metrics(busy())._repr_mimebundle_()
    assert len(bundle[figures.MIME]["metrics"]["total"]["requests"]) <= MOST_POINTS
    assert len(json.dumps(bundle)) < 200_000


def test_the_picture_is_well_formed_and_says_in_words_what_it_shows():
    told = busy(2, 2)
    drawn = pictures(told)
    assert list(drawn)[:4] == ["Requests", "Time to answer", "Errors", "Queue and replicas"]
    assert all(one.tag == "{http://www.w3.org/2000/svg}svg" for one in drawn.values())
    assert "0 <b>" in "".join(drawn["Requests"].itertext())
    assert "<script" not in figures.html(told)


def test_errors_and_marks_have_the_colours_of_the_dashboard():
    failure = MetricsMark(NOW - 60.0, "failure", "1.0.0", "killed", "replica-ended")
    errors = pictures(replace(busy(2, 2), marks=(failure,)))["Errors"]
    found = errors.iter("{http://www.w3.org/2000/svg}path")
    drawn = {one.get("stroke"): one for one in found if one.get("stroke")}
    assert set(drawn) == {palette.WARN, palette.BAD}
    assert drawn[palette.WARN].get("stroke-dasharray") != "none"
    said = "".join(errors.itertext())
    assert f".failure{{stroke:{palette.BAD}}}" in said
    assert "replica ended: killed" in said


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0.25, "0.25/s"), (999.6, "1k/s"), (2500.0, "2.5k/s"), (123_456.0, "123k/s"), (2e6, "2M/s")],
)
def test_a_great_number_has_room_beside_its_axis(rate, words):
    told = busy(2, 2)
    high = replace(told, total=replace(told.total, requests=(0.0, rate)))
    assert words in "".join(pictures(high)["Requests"].itertext())


def pictures(told: EndpointMetrics) -> dict[str, ET.Element]:
    """The drawing of each figure, by what its sentence begins with."""
    html = figures.html(told)
    found = re.findall(r'<img [^>]*alt="([^"]*)" src="data:image/svg[+]xml;base64,([^"]*)">', html)
    return {words.split(":")[0]: ET.fromstring(base64.b64decode(data)) for words, data in found}


def test_an_endpoint_that_nobody_has_called_has_figures_too():
    axis = Axis.of(WINDOW, NOW)
    told = document("churn", [], axis, WINDOW, marks=[], baseline=lambda _: None)
    assert (told.requests, told.p95_ms) == (0, None)
    assert "Requests: now all 0 /s" in figures.html(told)


@pytest.mark.parametrize("window", [60.0, 300.0, 3600.0, 86_400.0, 30 * 86_400.0])
def test_every_request_is_in_one_point_and_the_present_one_is_divided_by_its_own_time(window):
    axis = Axis.of(window, NOW)
    records = [
        Record(at, "churn", "1.0.0", "ada", Counts(statuses={200: 2}, seconds={-100: 2}))
        for at in range(axis.start, axis.now + 1, max(1, axis.step // 3))
    ]
    told = document("churn", records, axis, window, marks=[], baseline=lambda _: None)
    assert axis.count <= MOST_POINTS
    shown = sum(rate * axis.seconds(place) for place, rate in enumerate(told.total.requests))
    assert told.requests == 2 * len(records)
    assert shown == pytest.approx(told.requests, rel=0.01)
