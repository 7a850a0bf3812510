"""Which compiled form is served, as a table."""

import msgspec
import pytest

from jupyter_deploy.core.compiled import AS_IS, NOT_FASTER, Trial, choose, lines
from jupyter_deploy.core.manifest import Manifest

PLAIN = Trial(AS_IS, 1.0, 2.0)


@pytest.mark.parametrize(
    ("trials", "served", "refused"),
    [
        ([], None, []),
        ([Trial("a", 0.1, 0.2, 0.0)], "a", [""]),
        ([Trial("a", 0.1, 0.3, 0.0), Trial("b", 0.2, 0.2, 0.0)], "b", ["slower than b", ""]),
        ([Trial("a", 0.1, 0.2, 0.0, "labels"), Trial("b", 0.2, 0.9, 0.0)], "b", ["labels", ""]),
        ([Trial("a", 0.1, 0.2, 0.0, "labels")], None, ["labels"]),
        ([Trial("a", refused="no converter")], None, ["no converter"]),
        ([Trial("a", 0.1, 2.5, 0.0)], None, [NOT_FASTER]),
        ([Trial("a", 1.5, 0.2, 0.0)], None, [NOT_FASTER]),
    ],
)
def test_the_fastest_form_that_passed_is_served_if_it_is_faster(trials, served, refused):
    best, judged = choose(PLAIN, trials)
    assert (best and best.form) == served
    assert [trial.refused for trial in judged] == refused


def test_the_comparison_says_what_each_form_takes_and_why_it_is_not_served():
    trials = [PLAIN, Trial("onnx", 0.1, 0.2, 1.5e-7), Trial("trees", refused="cannot be converted")]
    assert lines(trials, "onnx") == [
        "as is: 1 row 1 ms, 64 rows 2 ms",
        "onnx: 1 row 0.1 ms, 64 rows 0.2 ms; largest difference 1.5e-07; served",
        "trees: cannot be converted",
    ]


def test_a_manifest_from_before_compiled_forms_can_still_be_read():
    old = {
        "contract": {"form": "any"},
        "loader": {"kind": "skops"},
        "registered": {"tracking_uri": "", "name": "churn", "version": "1"},
        "python": "/usr/bin/python",
        "digest": "0",
    }
    manifest = msgspec.convert(old, Manifest)
    assert (manifest.compiled, manifest.trials) == (None, ())
