"""What a model's bytes name."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
from sklearn.linear_model import LinearRegression
from skops.io import dumps

from jupyter_deploy.registry.travel import modules_in


def test_a_pickle_that_ends_in_an_archive_is_a_pickle_all_the_same():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("words.txt", "a b")
    assert "numpy" in modules_in(pickle.dumps([np.ones(1), archive.getvalue()]))


def test_a_file_of_skops_names_its_modules():
    model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
    assert {"numpy", "sklearn"} <= modules_in(dumps(model))
