"""Ray Serve with @serve.batch, one replica, and HAProxy as its ingress.

Without RAY_SERVE_ENABLE_HA_PROXY (Ray 2.56 has it) requests go through a proxy in Python, at an
eighth of the rate; RAY_SERVE_THROUGHPUT_OPTIMIZED switches on what Ray's documentation advises.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import predictor
from benchmarks.peer import Peer, Place, Target, each_row, own_server


class RayServe(Peer):
    """A Ray of its own, on loopback, without dashboard and usage statistics."""

    name = "ray"
    title = "Ray Serve"
    distribution = "ray"
    packages: ClassVar = ("ray[serve]==2.60.0",)
    settings = (
        "@serve.batch(64, 0.002), one replica, max_ongoing_requests 512, HAProxy ingress, "
        "RAY_SERVE_THROUGHPUT_OPTIMIZED, access log off"
    )
    fixed_variables: ClassVar = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # By default HAProxy has 5 s to be ready, which a busy machine exceeds.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        # One machine, on loopback: else Ray listens on all addresses.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }

    def command(self, place: Place) -> list[str]:
        """This file's own `main`."""
        return [*own_server(place, "ray_serve"), str(place.scratch)]

    def target(self, place: Place) -> Target:
        """{"row": [...]}; Ray makes the batch."""
        return Target("/", each_row(place, "row"))

    def labels(self, answer: bytes) -> list[Any]:
        """{"label": ...}."""
        return [json.loads(answer)["label"]]


def loopback_only() -> None:
    """Make HAProxy's pages of figures listen on loopback: Ray has no setting for their address."""
    from ray.serve._private import haproxy_templates

    for name, text in list(vars(haproxy_templates).items()):
        if isinstance(text, str) and not name.startswith("__"):
            local = text.replace("bind :", "bind 127.0.0.1:").replace("bind *:", "bind 127.0.0.1:")
            setattr(haproxy_templates, name, local)


def main(folder: Path, port: int, scratch: Path) -> None:
    """Serve until SIGTERM."""
    import ray
    from ray import serve
    from starlette.requests import Request

    @serve.deployment(num_replicas=1, max_ongoing_requests=512, ray_actor_options={"num_cpus": 1})
    class Served:
        def __init__(self) -> None:
            self.labels = predictor(folder)

        @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
        async def predict(self, rows: list[Any]) -> list[Any]:
            return self.labels(rows)

        async def __call__(self, request: Request) -> dict[str, Any]:
            return {"label": await self.predict((await request.json())["row"])}

    # Without an address of its own, ray.init would join a Ray that already runs here.
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"worker_process_setup_hook": loopback_only},
        object_store_memory=200_000_000,
        _temp_dir=str(scratch / "ray"),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Served.bind(), logging_config={"enable_access_log": False, "log_level": "WARNING"})
    threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
