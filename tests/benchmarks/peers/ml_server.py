"""MLServer with mlserver-sklearn and its adaptive batching.

parallel_workers is 0: the worker pool dies with uvloop 0.23 ("no running event loop" at start), and
without a pool a single model is faster here anyway.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from benchmarks.peer import Peer, Place, Target


class MlServer(Peer):
    """The folder in `place.scratch` has settings.json and model-settings.json."""

    name = "mlserver"
    title = "MLServer"
    distribution = "mlserver"
    packages: ClassVar = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1")
    settings = "max_batch_size 64, max_batch_time 0.002, parallel_workers 0, no metrics, no gzip"

    def prepare(self, place: Place) -> list[list[str]]:
        """Write the two files of settings."""
        ports = [place.port, place.port + 1, place.port + 2]
        settings = {
            "host": "127.0.0.1",
            "http_port": ports[0],
            "grpc_port": ports[1],
            "metrics_port": ports[2],
            "metrics_endpoint": None,
            "parallel_workers": 0,
            "gzip_enabled": False,
            "debug": False,
        }
        model = {
            "name": "model",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": f"{place.fitted.folder}/served.joblib"},
            "max_batch_size": 64,
            "max_batch_time": 0.002,
        }
        (place.scratch / "settings.json").write_text(json.dumps(settings))
        (place.scratch / "model-settings.json").write_text(json.dumps(model))
        return []

    def command(self, place: Place) -> list[str]:
        """`mlserver start FOLDER`."""
        return [str(place.python.parent / "mlserver"), "start", str(place.scratch)]

    def target(self, place: Place) -> Target:
        """The V2 protocol: one tensor, or one input for each column with content type pd."""
        body = self._array if place.fitted.kind.numeric else self._frame
        rows = [body(place.fitted.columns, row) for row in place.fitted.rows]
        return Target("/v2/models/model/infer", [json.dumps(row) for row in rows])

    def labels(self, answer: bytes) -> list[Any]:
        """The data of the first output."""
        found: list[Any] = json.loads(answer)["outputs"][0]["data"]
        return found

    @staticmethod
    def _array(columns: list[str], row: list[Any]) -> dict[str, Any]:
        tensor = {"name": "x", "datatype": "FP64", "shape": [1, len(columns)], "data": row}
        return {"inputs": [tensor]}

    @staticmethod
    def _frame(columns: list[str], row: list[Any]) -> dict[str, Any]:
        inputs = [
            {"name": name, "shape": [1, 1], "data": [value], **_V2_TYPES[type(value)]}
            for name, value in zip(columns, row, strict=True)
        ]
        return {"parameters": {"content_type": "pd"}, "inputs": inputs}


_V2_TYPES: dict[type, dict[str, Any]] = {
    str: {"datatype": "BYTES", "parameters": {"content_type": "str"}},
    int: {"datatype": "INT64"},
    float: {"datatype": "FP64"},
}
