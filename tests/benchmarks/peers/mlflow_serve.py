"""`mlflow models serve` on a model saved without a signature, so that it checks nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import read
from benchmarks.peer import Peer, Place, Target, own_server


class MlflowServe(Peer):
    """One worker; the model's environment is the server's own."""

    name = "mlflow"
    title = "MLflow models serve"
    distribution = "mlflow"
    packages: ClassVar = ("mlflow==3.17.2",)
    settings = "--env-manager local --workers 1; no signature; it has no batching"
    fixed_variables: ClassVar = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT": "60",
    }

    def prepare(self, place: Place) -> list[list[str]]:
        """Save the model in MLflow's form: this file's own `main`."""
        return [[*own_server(place, "mlflow_serve"), str(place.scratch / "model")]]

    def command(self, place: Place) -> list[str]:
        """`mlflow models serve`."""
        return [
            *(str(place.python), "-m", "mlflow", "models", "serve"),
            *("--model-uri", str(place.scratch / "model"), "--env-manager", "local"),
            *("--host", "127.0.0.1", "--port", str(place.port), "--workers", "1"),
        ]

    def target(self, place: Place) -> Target:
        """`inputs` for an array, `dataframe_split` for a frame."""
        columns, numeric = place.fitted.columns, place.fitted.kind.numeric
        requests = [
            {"inputs": [row]}
            if numeric
            else {"dataframe_split": {"columns": columns, "data": [row]}}
            for row in place.fitted.rows
        ]
        return Target("/invocations", [json.dumps(request) for request in requests])

    def labels(self, answer: bytes) -> list[Any]:
        """{"predictions": [...]}."""
        found: list[Any] = json.loads(answer)["predictions"]
        return found


def main(folder: Path, to: str) -> None:
    """Save the model; requirements are given, so that MLflow does not spend time on guessing."""
    import joblib
    import mlflow

    model, requirements = joblib.load(folder / "served.joblib"), ["scikit-learn"]
    if not read(folder).kind.torch:
        mlflow.sklearn.save_model(
            model, to, serialization_format="cloudpickle", pip_requirements=requirements
        )
        return

    class Network(mlflow.pyfunc.PythonModel):
        # MLflow takes annotations here for a schema.
        def predict(self, context, model_input, params=None):
            return model.predict(model_input)

    mlflow.pyfunc.save_model(to, python_model=Network(), pip_requirements=requirements)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[3])
