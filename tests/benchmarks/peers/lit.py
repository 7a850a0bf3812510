"""LitServe with its batching."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import predictor
from benchmarks.peer import Peer, Place, Target, each_row, own_server


class LitServe(Peer):
    """One worker for the model and one API server."""

    name = "litserve"
    title = "LitServe"
    distribution = "litserve"
    packages: ClassVar = ("litserve==0.2.19",)
    settings = "max_batch_size 64, batch_timeout 0.002, workers_per_device 1, one API server"

    def command(self, place: Place) -> list[str]:
        """This file's own `main`."""
        return own_server(place, "lit")

    def target(self, place: Place) -> Target:
        """{"row": [...]}; LitServe makes the batch."""
        return Target("/predict", each_row(place, "row"))

    def labels(self, answer: bytes) -> list[Any]:
        """{"label": ...}."""
        return [json.loads(answer)["label"]]


def _api() -> Any:
    import litserve

    class Api(litserve.LitAPI):
        """As LitServe's documentation writes it."""

        def setup(self, device: str) -> None:
            """Load the model, in the worker."""
            self.labels = predictor(Path(sys.argv[1]))

        # LitServe reads this annotation, and a postponed one makes it look in the query string.
        def decode_request(self, request):
            """One row."""
            return request["row"]

        def batch(self, inputs: list[Any]) -> list[Any]:
            """Rows as a list: `predictor` makes the array or the frame."""
            return inputs

        def predict(self, x: list[Any]) -> list[Any]:
            """Their labels."""
            return self.labels(x)

        def unbatch(self, output: list[Any]) -> list[Any]:
            """One label for each request."""
            return output

        def encode_response(self, output: Any) -> dict[str, Any]:
            """One label."""
            return {"label": output}

    Api.__qualname__ = "Api"
    return Api


# LitServe pickles the API for a process that imports this file again, as "__mp_main__".
if __name__ in ("__main__", "__mp_main__"):
    Api = _api()


def main(port: int) -> None:
    """Serve until SIGTERM."""
    import litserve

    server = litserve.LitServer(
        Api(max_batch_size=64, batch_timeout=0.002),
        accelerator="cpu",
        workers_per_device=1,
        timeout=60,
    )
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(int(sys.argv[2]))
