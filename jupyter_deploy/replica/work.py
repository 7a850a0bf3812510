"""What a replica does with one frame, and what it tells of itself.

Rule: whatever a model raises, SystemExit and KeyboardInterrupt too, is the answer to its own frame
and nothing else; only a signal from the supervisor or the death of the process ends a replica.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from jupyter_deploy.replica.matrix import InputBuilder
from jupyter_deploy.replica.models import Model
from jupyter_deploy.wire.board import Board
from jupyter_deploy.wire.frames import Frame, Kind
from jupyter_deploy.wire.messages import PredictAnswer, PredictRequest, pack_answer, unpack_request

MAX_TRACE_CHARACTERS = 20_000
MAX_MESSAGE_CHARACTERS = 2_000


class Worker:
    """Answers frames with one model.  `clock` is monotonic, in seconds.

    The board says at what it is.
    """

    def __init__(
        self,
        model: Model,
        build_input: InputBuilder,
        *,
        load_seconds: float,
        clock: Callable[[], float],
        board: Board | None = None,
    ) -> None:
        self._model = model
        self._build_input = build_input
        self._load_seconds = load_seconds
        self._clock = clock
        self._board = board
        self._served = 0

    def handle(self, frame: Frame, arrived: float) -> tuple[Kind, bytes]:
        """The answer to a HEARTBEAT or PREDICT frame that arrived at `arrived`.  Never raises."""
        if frame.kind is Kind.HEARTBEAT:
            return Kind.ALIVE, self._alive()
        if self._board is None:
            return self._answer(frame, arrived)
        self._board.begin(frame.id, self._clock())
        answer = self._answer(frame, arrived)
        self._board.end(self._clock())
        return answer

    def _answer(self, frame: Frame, arrived: float) -> tuple[Kind, bytes]:
        try:
            request = unpack_request(frame.payload)
            if self._clock() - arrived >= request.seconds_left:
                return Kind.EXPIRED, b""
            return Kind.PREDICTED, pack_answer(self.predict(request))
        except BaseException as error:  # noqa: BLE001 - the rule: a model's code stops here
            return Kind.FAILED, json.dumps(describe(error)).encode()

    def predict(self, request: PredictRequest) -> PredictAnswer:
        """The model's answer.  Raises whatever the model raises."""
        data = self._build_input(request.arrays, request.rows)
        started = self._clock()
        answer = self._model(data, request.rows, request.params)
        seconds = self._clock() - started
        self._served += 1
        arrays = list(answer.arrays)
        return PredictAnswer(answer.names, arrays, seconds, answer.rowwise, answer.columns)

    def _alive(self) -> bytes:
        facts = {
            "pid": os.getpid(),
            "rss_bytes": rss_bytes(),
            "served": self._served,
            "load_seconds": self._load_seconds,
        }
        return json.dumps(facts).encode()


def describe(error: BaseException) -> dict[str, str]:
    """An error as its type, message and trace, each of bounded length (the end of a trace)."""
    trace = "".join(traceback.format_exception(error))
    return {
        "type": type(error).__name__,
        "message": _message(error)[:MAX_MESSAGE_CHARACTERS],
        "trace": trace[-MAX_TRACE_CHARACTERS:],
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error of the model's own class, which fails to print itself
        return "(this error cannot be printed)"


def rss_bytes() -> int:
    """The memory that this process holds; where the system does not say, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()


def imported_packages() -> dict[str, str]:
    """The versions of the packages that this process has imported, by the name of their module."""
    found = {}
    for name, module in list(sys.modules.items()):
        version = getattr(module, "__dict__", {}).get("__version__")
        if "." in name or name.startswith("_") or name in sys.stdlib_module_names:
            continue
        if isinstance(version, str):
            found[name] = str(version)  # torch has a class of its own for it
    return found
