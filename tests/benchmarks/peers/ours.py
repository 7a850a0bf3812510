"""jupyter_deploy as people use it: `deploy(model, name)` in a process that then ends.

Everything is on: keys, limits, contract checks, metrics, request ids, request errors.  The key is
read from the 0600 file that the deployment names.  The clock of "start to first answer" runs from
the start of a Python process that imports everything, loads the model, starts the supervisor and
deploys.  The environment has the project's dependencies; the project itself is this checkout.
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import Kind, read
from benchmarks.peer import NotYet, Peer, Place, Target, invocations, own_server

REPOSITORY = Path(__file__).parents[3]
NAME = "bench"


def _dependencies(extra: str = "") -> tuple[str, ...]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"][extra] if extra else []
    return (*project["dependencies"], *more)


class Ours(Peer):
    """A supervisor of its own for each model, in a fresh JUPYTER_DEPLOY_HOME."""

    name = "ours"
    title = "jupyter_deploy"
    distribution = "jupyterlab-deploy"
    #: matplotlib draws the table as a plot.
    packages: ClassVar = (*_dependencies(), "matplotlib==3.11.2")
    settings = (
        "as installed: keys, limits, contract checks, metrics and request ids on, one replica"
    )

    #: Further arguments of `main`.
    options: ClassVar[tuple[str, ...]] = ()

    def variables(self, place: Place) -> dict[str, str]:
        """A home and a port of its own; this checkout on the path."""
        return {
            "JUPYTER_DEPLOY_HOME": str(place.scratch / "home"),
            "JUPYTER_DEPLOY_PORT": str(place.port),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}",
        }

    def command(self, place: Place) -> list[str]:
        """This file's own `main`: one deploy."""
        return [*own_server(place, "ours"), str(_told(place, "first")), "1", *self.options]

    def target(self, place: Place) -> Target:
        """Rows without names for floats, `dataframe_split` for mixed columns; with the key."""
        told = _told(place, "first")
        if not told.exists():
            raise NotYet
        key = Path(json.loads(told.read_text())["key_file"]).read_text().strip()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        return Target(f"/endpoints/{NAME}/invocations", invocations(place), headers)

    def labels(self, answer: bytes) -> list[Any]:
        """{"predictions": [...], "probabilities": [...], "classes": [...]}."""
        found: list[Any] = json.loads(answer)["predictions"]
        return found

    def extra_command(self, place: Place) -> list[str]:
        """Two more deploys in one new process, to tell the first cell's from the next one's."""
        return [*own_server(place, "ours"), str(_told(place, "again")), "2", *self.options]

    def extra(self, place: Place) -> dict[str, float]:
        """Seconds of `deploy`: into nothing, as a new process's first work, and warm."""
        first = json.loads(_told(place, "first").read_text())["deploy_seconds"]
        again = json.loads(_told(place, "again").read_text())["deploy_seconds"]
        return {
            "deploy_with_supervisor_start": first[0],
            "deploy_first_in_process": again[0],
            "deploy_warm": again[1],
        }

    def stop(self, place: Place) -> list[str] | None:
        """`jupyter endpoint stop`."""
        code = "import sys; from jupyter_deploy.cli import main; sys.argv[0] = 'endpoint'; main()"
        return [str(place.python), "-c", code, "stop"]


class Compiled(Ours):
    """The same with `compile=True`: the fastest form that answers alike, or the model as it is."""

    name = "compiled"
    title = "jupyter_deploy, compiled"
    packages: ClassVar = (*_dependencies("compile"), "matplotlib==3.11.2")
    settings = f"{Ours.settings}; deployed with --compile"
    options: ClassVar = ("compile",)

    def refuses(self, kind: Kind) -> str:
        """A function of the notebook has no other form."""
        return "a function has no compiled form" if kind.torch else ""


def _told(place: Place, word: str) -> Path:
    return place.scratch / f"{word}.json"


def main(folder: Path, told: Path, deploys: int, *, compiled: bool) -> None:
    """Deploy so many times, and tell the seconds of each and the key's file."""
    started = time.monotonic()
    from jupyter_deploy import deploy

    model, sample = _model_and_sample(folder)
    seconds = []
    for _ in range(deploys):
        deployed = deploy(model, NAME, sample=sample, compile=compiled)
        seconds.append(time.monotonic() - started)
        started = time.monotonic()
    text = json.dumps({"deploy_seconds": seconds, "key_file": str(deployed.key_file)})
    unfinished = told.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(told)


def _model_and_sample(folder: Path) -> tuple[Any, Any]:
    """The model as the notebook would have it: fitted on a frame, with that frame as its sample."""
    import joblib

    from benchmarks.models import cancer_data, churn_data

    kind, model = read(folder).kind, joblib.load(folder / "model.joblib")
    sample, _ = cancer_data() if kind.numeric else churn_data()
    if not kind.torch:
        return model, sample
    layers = model.layers

    def mlp(rows: Any) -> Any:
        import numpy
        import torch

        with torch.inference_mode():
            inputs = torch.as_tensor(numpy.asarray(rows, dtype=numpy.float32))
            return layers(inputs).argmax(dim=1).numpy()

    return mlp, sample


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[3]), int(sys.argv[4]), compiled="compile" in sys.argv[5:])
