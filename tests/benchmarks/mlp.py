"""A small PyTorch network with the two methods of an estimator.

It stands in a module of its own, so that every server can load it by this name.
"""

from __future__ import annotations

from typing import Any

import numpy
import torch


class Mlp:
    """30-64-64-2 with ReLU, trained for 100 steps; one thread, as suits one row at a time."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.BatchNorm1d(30),
            torch.nn.Linear(30, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 2),
        )

    def fit(self, rows: Any, target: Any) -> Mlp:
        """Train on all rows at once."""
        inputs = torch.as_tensor(numpy.asarray(rows, dtype=numpy.float32))
        labels = torch.tensor(numpy.array(target), dtype=torch.long)
        optimiser = torch.optim.Adam(self.layers.parameters(), lr=0.01)
        for _ in range(100):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(self.layers(inputs), labels).backward()
            optimiser.step()
        self.layers.eval()
        return self

    def predict(self, rows: Any) -> numpy.ndarray:
        """The label of each row: int64, shape (rows,)."""
        with torch.inference_mode():
            inputs = torch.as_tensor(numpy.asarray(rows, dtype=numpy.float32))
            return self.layers(inputs).argmax(dim=1).numpy()
