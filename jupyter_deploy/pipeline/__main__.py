"""Deploys a registered model in a process of its own: for somebody who has no kernel to do it in.

The order is one line of JSON on stdin, a `RegisteredOrder`.  Each change is told in one line on
stdout: {"steps": […]}, and the last one is {"ended": "done"}, or "failed" with a
`problem`, or "cancelled".  SIGINT cancels, and leaves nothing; while traffic is switched it comes
too late.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import msgspec

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.client.models import DeployOptions
from jupyter_deploy.client.process_start import own_start
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.errors import DeployError, DeployFailed
from jupyter_deploy.pipeline.deploying import StoppedTooLate, run


@dataclass(frozen=True, slots=True)
class RegisteredOrder:
    """Which model of MLflow's registry becomes a version of which endpoint, and who wants it."""

    uri: str
    name: str
    stage: bool
    user: str


def main(orders: BinaryIO, answers: BinaryIO) -> None:
    """Take one order, and carry it out."""
    order = msgspec.json.decode(orders.readline(), type=RegisteredOrder)
    tell = partial(_tell, answers)
    try:
        _deploy(order, tell)
    except StoppedTooLate:
        tell({"ended": "done"})
    except KeyboardInterrupt:
        tell({"ended": "cancelled"})
    except DeployError as error:
        tell({"ended": "failed", "problem": error.problem(order.uri)})
    except Exception as error:  # noqa: BLE001 - the edge of the process: whoever waits must hear
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        fix = f"Run `jupyter endpoint deploy {order.uri} --name {order.name}` in a terminal."
        tell({"ended": "failed", "problem": DeployFailed("", said, fix).problem(order.uri)})
    else:
        tell({"ended": "done"})


def _deploy(order: RegisteredOrder, tell: Callable[[dict[str, Any]], None]) -> None:
    with connect() as client:
        run(
            order.uri,
            order.name,
            options=DeployOptions(stage=order.stage),
            origin=Origin(user=order.user, via="lab", pid=os.getpid(), pid_started=own_start()),
            client=client,
            progress=lambda steps: tell({"steps": msgspec.to_builtins(steps)}),
        )


def _tell(answers: BinaryIO, change: dict[str, Any]) -> None:
    # The server that asked may be gone; the deploy goes on all the same.
    with contextlib.suppress(OSError):
        answers.write(msgspec.json.encode(change) + b"\n")
        answers.flush()


if __name__ == "__main__":
    # Whatever a model prints while it is loaded goes to the log; only changes go to the server.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # A server that was started in the background hands on that it ignores this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(sys.stdin.buffer, output)
