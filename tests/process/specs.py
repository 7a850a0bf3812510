"""What a replica is told, where no supervisor tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cloudpickle
import numpy as np

from jupyter_deploy.replica.spec import ReplicaSpec, TensorSpec


def dump_function(folder: Path, function: Callable[[np.ndarray], object]) -> None:
    """A new `folder` with `function.pkl`, as a replica loads it."""
    folder.mkdir(parents=True)
    with open(folder / "function.pkl", "wb") as file:
        cloudpickle.dump(function, file)


def spec_of(folder: Path, function: Callable[[np.ndarray], object]) -> str:
    """The file in `folder` that tells a replica to serve `function`, of rows of two floats."""
    dump_function(folder / "model", function)
    spec = ReplicaSpec(
        socket=str(folder / "replica"),
        report=str(folder / "report.json"),
        model=str(folder / "model"),
        loader="cloudpickle",
        file="function.pkl",
        trusted=(),
        function=True,
        form="array",
        columns=(),
        tensor=TensorSpec("float", "float64", (2,)),
        probabilities=False,
        warmup=None,
    )
    spec.write(folder / "spec.json")
    return str(folder / "spec.json")
