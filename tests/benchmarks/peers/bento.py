"""BentoML with adaptive batching.

Mixed columns go as plain lists, and the handler makes the frame: with a `pandas.DataFrame` as the
batched argument, 1.4.39 gives no answer at all (its dispatcher takes the frame's shape for a size).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import predictor, read
from benchmarks.peer import Peer, Place, Target


class BentoMl(Peer):
    """One worker; `python -m bentoml serve` imports `service` below, in its own environment."""

    name = "bentoml"
    title = "BentoML"
    distribution = "bentoml"
    packages: ClassVar = ("bentoml==1.4.39",)
    settings = "batchable, max_batch_size 128, one worker, metrics and access log off"

    def variables(self, place: Place) -> dict[str, str]:
        """No tracking, a home of its own, and the model for `service` below."""
        return {
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(place.scratch),
            "BENCHMARK_MODEL": place.fitted.folder,
        }

    def command(self, place: Place) -> list[str]:
        """The service of this file, for this model."""
        return [
            str(place.python),
            *("-m", "bentoml", "serve", "benchmarks.peers.bento:service"),
            *("--host", "127.0.0.1", "--port", str(place.port)),
        ]

    def target(self, place: Place) -> Target:
        """A batch of one row."""
        return Target("/predict", [json.dumps({"rows": [row]}) for row in place.fitted.rows])

    def labels(self, answer: bytes) -> list[Any]:
        """[label]."""
        found: list[Any] = json.loads(answer)
        return found


def _service() -> Any:
    import bentoml
    import numpy

    folder = Path(os.environ["BENCHMARK_MODEL"])
    labels = predictor(folder)
    rows_type: Any = numpy.ndarray if read(folder).kind.numeric else list

    def predict(self: Any, rows: Any) -> Any:
        return labels(rows)

    # BentoML reads the annotations as they are: with postponed ones it would find only strings.
    predict.__annotations__ = {"rows": rows_type, "return": list}
    method = bentoml.api(batchable=True, batch_dim=0, max_batch_size=128)(predict)
    served = type("Served", (), {"predict": method})
    return bentoml.service(
        workers=1,
        traffic={"timeout": 60},
        metrics={"enabled": False},
        logging={"access": {"enabled": False}},
    )(served)


if "BENCHMARK_MODEL" in os.environ:
    service = _service()
