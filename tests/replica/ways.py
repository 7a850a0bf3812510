"""Ways to call a model: those that are found for it, held against the plain one."""

from dataclasses import replace

import numpy as np
import pandas as pd

from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.models import as_model
from jupyter_deploy.replica.shortcuts import Way, quickest
from jupyter_deploy.replica.spec import ColumnSpec, ReplicaSpec

RANDOM = np.random.default_rng(7)
X = pd.DataFrame(RANDOM.normal(size=(80, 4)), columns=list("abcd"))
Y = np.where(X.a + X.b * X.c + RANDOM.normal(size=80) > 0, "yes", "no")


def spec_of(frame, **fields):
    spec = ReplicaSpec(
        socket="",
        report="",
        model="",
        loader="cloudpickle",
        file="",
        trusted=(),
        function=False,
        form="frame",
        columns=tuple(
            ColumnSpec(name, "float", str(dtype), nullable=False)
            for name, dtype in frame.dtypes.items()
        ),
        tensor=None,
        probabilities=True,
        warmup=None,
    )
    return replace(spec, **fields)


def stopped():
    """A clock: a machine that is busy does not make a model slow."""
    return 0.0


def way_of(estimator, frame=X, **fields):
    spec = spec_of(frame, **fields)
    model = as_model(
        estimator, loader=spec.loader, function=spec.function, probabilities=spec.probabilities
    )
    plain = Way(model, input_builder(spec))
    sample = [frame[name].to_numpy() for name in frame]
    return plain, quickest(plain, estimator, spec, sample, stopped, stopped)


def assert_same_bits(plain, quick, frame=X):
    for start, stop in ((0, len(frame)), (3, 4), (10, 17)):
        arrays = [frame[name].to_numpy()[start:stop] for name in frame]
        answers = [way.model(way.build(arrays, stop - start), stop - start, None)
                   for way in (plain, quick)]  # fmt: skip
        for one, other in zip(answers[0].arrays, answers[1].arrays, strict=True):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()
