"""A registry of ours is whole or not there, and says what to do when it cannot be used."""

import contextlib
import resource

import pytest

from jupyter_deploy.errors import RegistryUnavailable
from jupyter_deploy.registry.location import default_uri, using


@contextlib.contextmanager
def no_file_larger_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_database_whose_making_was_cut_is_made_anew(tmp_path):
    uri = default_uri(tmp_path)
    with no_file_larger_than(200_000), pytest.raises(RegistryUnavailable), using(uri):
        pass
    assert list((tmp_path / "mlflow").iterdir()) == []
    with using(uri) as client:
        default = client.get_experiment("0")
        assert default.artifact_location == (tmp_path / "mlflow" / "artifacts" / "0").as_uri()


@pytest.mark.parametrize(
    ("raised", "way_out"),
    [
        (OSError(28, "No space left on device"), "Make room"),
        (OSError("database or disk is full"), "Make room"),
        (OSError("unable to open database file."), "Check the tracking URI"),
    ],
)
def test_a_registry_that_cannot_be_used_says_what_to_do(tmp_path, raised, way_out):
    with pytest.raises(RegistryUnavailable) as caught, using(default_uri(tmp_path)):
        raise raised
    assert caught.value.detail.endswith(".")
    assert not caught.value.detail.endswith("..")
    assert caught.value.fix.startswith(way_out)
