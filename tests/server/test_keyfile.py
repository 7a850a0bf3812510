"""The one route that gives a secret to a browser: it reads keys that are ours, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_deploy.errors import NotFound
from jupyter_deploy.server.keyfile import read_key

SECRET = "jd_live_abc_secret"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return folder


def written(file: Path, mode: int = 0o600) -> Path:
    file.write_text(SECRET + "\n")
    file.chmod(mode)
    return file


def test_a_key_of_ours_is_read(keys):
    assert read_key(str(written(keys / "churn-billing.key")), keys) == SECRET


def test_a_file_elsewhere_is_not_read(keys, tmp_path):
    outside = written(tmp_path / "state.db")
    odd = ("state.db", "", str(keys), f"{keys}/..", f"{keys}/churn\0.key")
    for told in (str(outside), f"{keys}/../state.db", *odd):
        with pytest.raises(NotFound):
            read_key(told, keys)


def test_a_link_is_not_followed(keys, tmp_path):
    link = keys / "churn.key"
    link.symlink_to(written(tmp_path / "elsewhere"))
    with pytest.raises(NotFound):
        read_key(str(link), keys)


def test_a_file_that_others_can_read_is_no_key_of_ours(keys):
    with pytest.raises(NotFound):
        read_key(str(written(keys / "churn.key", 0o644)), keys)


def test_a_pipe_does_not_hold_the_server(keys):
    os.mkfifo(keys / "churn.key", 0o600)
    with pytest.raises(NotFound):
        read_key(str(keys / "churn.key"), keys)
