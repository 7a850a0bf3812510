"""What this environment has, read quickly, is what `importlib.metadata` says."""

from __future__ import annotations

import importlib.metadata

import pytest

from jupyter_deploy.registry import packages


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An environment without packages: the folder on its path."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return tmp_path


def put(folder, name, version, **files):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    files = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no"} | {
        file.replace("_", "."): text for file, text in files.items()
    }
    for file, text in files.items():
        (info / file).write_text(text)


def test_versions_are_those_of_the_standard_library():
    found = packages.installed()
    assert len(found) > 50
    for name, version in found.items():
        assert importlib.metadata.version(name) == version


def test_each_module_comes_from_the_packages_that_the_standard_library_names():
    versions = packages.installed()
    providers = importlib.metadata.packages_distributions()
    for module in ("numpy", "sklearn", "mlflow", "yaml", "dateutil", "cloudpickle", "_pytest"):
        names = providers[module]
        pins = {f"{packages.normal(name)}=={versions[packages.normal(name)]}" for name in names}
        assert set(packages.requirements([module], versions)) == pins


def test_modules_are_those_that_are_declared_or_else_those_of_the_files(empty):
    record = (
        "pkg/a.py,,\nmod.py,,\nfast.cpython-311-x86_64-linux-gnu.so,,\n../bin/tool,,\nx-1/R,,\n"
    )
    put(empty, "Some_Thing", "1.0", RECORD=record)
    put(empty, "other", "2.0", RECORD=record)
    (empty / "other-2.0.dist-info" / "top_level.txt").write_text("declared\n")
    versions = packages.installed()
    assert versions == {"some-thing": "1.0", "other": "2.0"}
    for module in ("pkg", "mod", "fast"):
        assert packages.requirements([module], versions) == ["some-thing==1.0"]
    assert packages.requirements(["declared"], versions) == ["other==2.0"]
    assert packages.requirements(["tool", "bin", "R", "no"], versions) == []


def test_a_package_without_metadata_is_passed_over(empty):
    (empty / "broken-1.dist-info").mkdir()
    put(empty, "good", "1")
    assert packages.installed() == {"good": "1"}


def test_of_two_that_are_installed_the_one_that_is_imported_counts(tmp_path, monkeypatch):
    for folder, version in (("first", "2.0"), ("second", "1.0")):
        (tmp_path / folder).mkdir()
        put(tmp_path / folder, "twice", version)
    monkeypatch.setattr("sys.path", [str(tmp_path / "first"), str(tmp_path / "second")])
    assert packages.installed() == {"twice": "2.0"}
