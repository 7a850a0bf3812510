"""The corpus of JSON texts that parsers disagree about."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from jupyter_deploy.core.contract import Contract, Form
from tests.gateway.bodies import (
    FLOAT,
    one,
    outcome,
    refusal,
    rows,
)

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "jsontestsuite.tar.gz"


def _corpus(prefix: str):
    if not CORPUS.exists():
        return [pytest.param(b"", marks=pytest.mark.skip(reason=f"{CORPUS} is not there"))]
    with tarfile.open(CORPUS) as archive:
        return [
            pytest.param(archive.extractfile(member).read(), id=Path(member.name).stem)
            for member in archive.getmembers()
            if Path(member.name).name.startswith(prefix)
        ]


@pytest.mark.parametrize("text", _corpus("n_"))
def test_what_is_not_json_is_refused_wherever_it_stands(text):
    anything, numbers = Contract(Form.ANY), one(FLOAT, "float64")
    refusal(anything, text)
    refusal(numbers, b'{"inputs":[' + text + b"]}")
    if text != b"[NaN]":  # a missing value, as Python's json writes it
        refusal(anything, b'{"inputs":[' + text + b"]}")
        refusal(numbers, b'{"dataframe_split":{"columns":["x","y"],"data":[[1,' + text + b"]]}}")


@pytest.mark.parametrize("text", _corpus("y_"))
def test_what_is_json_is_taken_as_a_value(text):
    body = b'{"inputs":[' + text + b"]}"
    if b"dup" in text or text.count(b'"a"') > 1:
        assert "twice" in refusal(Contract(Form.ANY), body).detail
    else:
        assert rows(Contract(Form.ANY), body) == [json.loads(text)]


@pytest.mark.parametrize("text", _corpus("i_"))
def test_what_parsers_may_treat_either_way_ends_in_rows_or_in_a_refusal(text):
    outcome(lambda: rows(Contract(Form.ANY), b'{"inputs":[' + text + b"]}"))
