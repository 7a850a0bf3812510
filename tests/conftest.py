"""Tests run from the fast to the slow, and none of them reaches what is a person's own."""

import pytest
from hypothesis import settings

#: Folders whose tests take seconds; those not named here come before them, in the order of names.
_SLOW = (
    "registry",
    "pipeline",
    "server",
    "process",
    "interop",
    "notebook",
    "browser",
    "cli",
    "faults",
    "benchmarks",
)
_FIRST = ("core", "wire")
#: What a person may have set for themselves.
_CONFIGURED = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DEPLOY_DEBUG",
    "JUPYTER_DEPLOY_PORT",
    "JUPYTER_TOKEN",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_TRACKING_URI",
)

# On a busy machine one example may take any time.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    faults = parser.getgroup("faults")
    faults.addoption("--all", action="store_true", help="faults: repeated, and the long ones too")
    faults.addoption("--seed", type=int, help="faults: strike at the moments of this seed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _rank(item.path.parent.name))


def _rank(folder: str) -> int:
    if folder in _FIRST:
        return _FIRST.index(folder) - len(_FIRST)
    return _SLOW.index(folder) + 1 if folder in _SLOW else 0


@pytest.fixture(scope="session", autouse=True)
def nothing_of_a_person(tmp_path_factory: pytest.TempPathFactory):
    """A home, a Jupyter and a JUPYTER_DEPLOY_HOME that are nobody's, for every test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _CONFIGURED:
            patch.delenv(name, raising=False)
        nobody = tmp_path_factory.mktemp("nobody")
        patch.setenv("HOME", str(nobody))
        patch.setenv("IPYTHONDIR", str(nobody / "ipython"))
        patch.setenv("JUPYTER_DEPLOY_HOME", str(nobody / "deploy"))
        yield
