"""The registrar makes aliases and tags as the supervisor says, and says how it went."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_deploy.registry import fetch, package
from jupyter_deploy.registry.columns import array_contract
from jupyter_deploy.registry.location import default_uri, using


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return default_uri(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def versions(uri, tmp_path_factory):
    x = np.ones((3, 2))
    contract = array_contract(x)
    folder = tmp_path_factory.mktemp("models")
    model = LinearRegression().fit(x, x[:, 0])
    packaged = package.package_estimator(model, contract, folder / "model", example=x)
    return [package.register(packaged, "churn", f"1.{n}.0", uri).version for n in range(3)]


def carry_out(*orders):
    lines = "".join(json.dumps(order) + "\n" for order in orders)
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_deploy.registry"],
        input=lines, capture_output=True, text=True, timeout=120, check=True, env=dict(os.environ),
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_aliases_and_tags_become_what_the_order_says_and_others_stay(uri, versions, tmp_path):
    first, second, third = versions
    with using(uri) as client:
        client.set_registered_model_alias("churn", "champion", first)
        client.set_registered_model_alias("churn", "canary", first)
    tags = {third: {"jupyter_deploy.state": "active"}}
    order = {"tracking_uri": uri, "name": "churn", "tags": tags}
    answers = carry_out(
        order | {"id": 1, "aliases": {"active": second, "standby": first}},
        {"id": 2, "tracking_uri": uri, "name": "missing", "version": "1", "folder": str(tmp_path)},
        "not an order",
        order | {"id": 3, "aliases": {"active": third}},
    )
    assert [answer["ok"] for answer in answers] == [True, False, False, True]
    assert "missing" in answers[1]["error"]
    with using(uri) as client:
        aliases = client.get_registered_model("churn").aliases
        found = client.get_model_version("churn", third).tags
    assert {name: str(version) for name, version in aliases.items()} == {
        "champion": first,
        "active": third,
    }
    assert found["jupyter_deploy.state"] == "active"
    assert found["jupyter_deploy.version"] == "1.2.0"


def test_what_comes_back_has_the_digest_that_it_had(uri, versions, tmp_path):
    first = package.RegisteredModel(uri, "churn", versions[0])
    for name in ("one", "two"):
        fetch.fetch(first, tmp_path / name)
    digest = fetch.digest(tmp_path / "one")
    assert digest == fetch.digest(tmp_path / "two")
    (tmp_path / "two" / "model.skops").write_bytes(b"changed")
    assert digest != fetch.digest(tmp_path / "two")


def test_a_discarded_version_leaves_nothing(uri, versions, tmp_path):
    x = np.ones((3, 2))
    model = LinearRegression().fit(x, x[:, 0])
    packaged = package.package_estimator(model, array_contract(x), tmp_path / "model")
    registered = package.register(packaged, "other", "1.0.0", uri)
    package.discard(registered)
    with using(uri) as client:
        assert not client.search_registered_models("name='other'")
        assert len(client.search_model_versions("name='churn'")) == len(versions)


def test_a_database_that_refuses_keeps_no_files_and_fills_no_cell(uri, versions, tmp_path, capfd):
    x = np.ones((3, 2))
    model = LinearRegression().fit(x, x[:, 0])
    packaged = package.package_estimator(model, array_contract(x), tmp_path / "model")
    registered = package.register(packaged, "refused", "1.0.0", uri)
    file = uri.removeprefix("sqlite:///")
    models = Path(file).parent / "artifacts" / "models"
    kept = set(models.iterdir()) - {models / registered.source.removeprefix("models:/")}
    refusal = "BEFORE UPDATE ON logged_models BEGIN SELECT RAISE(FAIL, 'full'); END"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(f"CREATE TRIGGER full {refusal}")
        try:
            package.discard(registered)
        finally:
            database.execute("DROP TRIGGER full")
    assert set(models.iterdir()) == kept
    assert capfd.readouterr() == ("", "")


def test_a_registration_cut_before_its_number_is_known_leaves_nothing(
    uri, versions, tmp_path, monkeypatch
):
    x = np.ones((3, 2))
    model = LinearRegression().fit(x, x[:, 0])
    packaged = package.package_estimator(model, array_contract(x), tmp_path / "model")
    add = package._add_version

    def cut(*args):
        add(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(package, "_add_version", cut)
    with pytest.raises(KeyboardInterrupt):
        package.register(packaged, "churn", "2.0.0", uri)
    with using(uri) as client:
        found = client.search_model_versions("name='churn'")
    assert sorted(str(version.version) for version in found) == sorted(versions)


def test_an_alias_that_somebody_has_moved_stays_until_it_is_settled(uri, versions):
    first, second, third = versions
    order = {"tracking_uri": uri, "name": "churn", "tags": {first: {}}}
    with using(uri) as client:
        client.set_registered_model_alias("churn", "active", third)
    moved, settled, gone, seen = carry_out(
        order | {"id": 1, "aliases": {"active": second, "standby": first}, "told": [first, second]},
        order | {"id": 2, "aliases": {"active": second}, "told": [first, second, third]},
        order | {"id": 3, "aliases": {"active": "99"}, "told": [second]},
        {"id": 4, "tracking_uri": uri},
    )
    assert (moved["moved"], settled["moved"]) == (third, None)
    assert [one["stands"] for one in (moved, settled, gone)] == [third, second, second]
    (churn,) = [one for one in seen["models"] if one["name"] == "churn"]
    newest = churn["versions"][0]
    assert (newest["version"], newest["deployed_as"], newest["aliases"]) == (third, "1.2.0", [])
    by_number = {one["version"]: one["aliases"] for one in churn["versions"]}
    assert by_number[second] == ["active"]


def test_the_metrics_of_a_versions_run_come_along(uri, versions):
    with using(uri) as client:
        run = client.get_model_version("churn", versions[0]).run_id
        client.log_metric(run, "accuracy", 0.75)
        client.log_metric(run, "odd", float("nan"))
    order = {"tracking_uri": uri, "name": "churn", "tags": {versions[0]: {}}, "aliases": {}}
    package.register_source(f"models:/churn/{versions[0]}", "copy", "1.0.0", uri)
    again = package.register_source("models:/copy/1", "again", "1.0.0", uri)
    answer, copied = carry_out(
        order | {"id": 1}, order | {"id": 2, "name": "again", "tags": {again.version: {}}}
    )
    assert answer["metrics"] == {versions[0]: {"accuracy": 0.75}}
    assert copied["metrics"] == {again.version: {"accuracy": 0.75}}


def test_a_model_that_somebody_has_deleted_is_left_deleted_and_is_no_failure(uri, versions):
    order = {"tracking_uri": uri, "name": "deleted", "aliases": {"active": "1"}}
    (answer,) = carry_out(order | {"id": 1, "tags": {"1": {"jupyter_deploy.state": "active"}}})
    assert answer == {"id": 1, "ok": True, "moved": None, "stands": None, "metrics": {}}
    with using(uri) as client:
        assert "deleted" not in {one.name for one in client.search_registered_models()}
