"""`python -m jupyter_deploy.replica SPEC.json`: one process that holds one version.

    read the spec -> load the model -> warm it -> write the report -> let the socket appear -> serve

SIGTERM ends it with status 0 once no gateway is connected to it any more; SIGINT, which a terminal
sends to all processes of a group, is ignored.  A model that cannot be loaded or warmed ends it with
EXIT_CANNOT_LOAD, and the report says why.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_deploy.replica import printing
from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.models import as_model, load_model
from jupyter_deploy.replica.serving import Server
from jupyter_deploy.replica.shortcuts import Way, quickest
from jupyter_deploy.replica.spec import EXIT_CANNOT_LOAD, EXIT_NO_ROOM, CompiledSpec, ReplicaSpec
from jupyter_deploy.replica.work import Worker, describe, imported_packages
from jupyter_deploy.wire.board import Board, board_of
from jupyter_deploy.wire.messages import unpack_request

DRAIN_SECONDS = 5.0
#: As long as a gateway may take to end.
_LINGER_SECONDS = 30.0
_BACKLOG = 128
#: From -1000 (never killed for memory) to 1000 (first); what is not told otherwise has 0.
_OUT_OF_MEMORY_SCORE = 500


def main(arguments: list[str]) -> int:
    """Serve the version of the spec named in `arguments`; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    printing.to_log()
    _offer_ourselves()
    spec = ReplicaSpec.read(Path(arguments[0]))
    try:
        worker = _ready_worker(spec)
        if worker is None:
            return EXIT_CANNOT_LOAD
        listener = _listen(Path(spec.socket))
    except OSError as error:  # not the model's: those are in the report
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return EXIT_NO_ROOM
        raise
    server = Server(listener, worker.handle, time.monotonic)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run(DRAIN_SECONDS, _LINGER_SECONDS)
    for file in (Path(spec.socket), board_of(spec.socket)):
        file.unlink(missing_ok=True)
    return 0


def _offer_ourselves() -> None:
    """When memory runs out, this process goes before the gateway, which can start it again."""
    # Linux only; raising one's own score needs no right.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OUT_OF_MEMORY_SCORE))


def _ready_worker(spec: ReplicaSpec) -> Worker | None:
    """A worker whose model is loaded and warm, or None; the report says which, and why."""
    stage, started = "load", time.monotonic()
    not_compiled = ""
    if spec.compiled is not None:
        try:
            way = _compiled_way(spec, spec.compiled)
        except Exception as error:  # noqa: BLE001 - whatever its runtime raises: the model is there
            traceback.print_exc()
            not_compiled = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        else:
            return _reported(way, spec, started)
    try:
        subject = load_model(spec.loader, Path(spec.model), spec.file, spec.trusted)
        _size_torch()
        way = _plain_way(subject, spec)
        stage = "warm"
        way = _warm(way, subject, spec)
        _size_torch()  # a function may import it when it is called
    except BaseException as error:  # noqa: BLE001 - loading a model runs its code: the report says why
        traceback.print_exc()
        _write_report(spec, {"stage": stage} | describe(error))
        return None
    return _reported(way, spec, started, not_compiled)


def _reported(way: Way, spec: ReplicaSpec, started: float, not_compiled: str = "") -> Worker:
    """The worker, once the report says that it is ready."""
    load_seconds = time.monotonic() - started
    facts = {"load_seconds": load_seconds, "shortcuts": way.taken, "not_compiled": not_compiled}
    _write_report(spec, {"packages": imported_packages()} | facts)
    board = None
    with contextlib.suppress(OSError):  # a full disk: gateways know less, and answers are the same
        board = Board.make(board_of(spec.socket))
    return Worker(
        way.model, way.build, load_seconds=load_seconds, clock=time.monotonic, board=board
    )


def _compiled_way(spec: ReplicaSpec, compiled: CompiledSpec) -> Way:
    """The compiled form, loaded and warm."""
    from jupyter_deploy.replica.compiled import compiled_way

    way = compiled_way(compiled, Path(compiled.path), spec)
    if spec.warmup is not None:
        sample = unpack_request(memoryview(Path(spec.warmup).read_bytes()))
        way.model(way.build(sample.arrays, sample.rows), sample.rows, sample.params)
    return way


def _plain_way(subject: Any, spec: ReplicaSpec) -> Way:
    model = as_model(
        subject,
        loader=spec.loader,
        function=spec.function,
        probabilities=spec.probabilities,
    )
    return Way(model, input_builder(spec))


def _warm(way: Way, subject: Any, spec: ReplicaSpec) -> Way:
    """One prediction before anybody waits for one: the first is often a hundred times slower.

    What it answers also shows which shortcuts answer the same.
    """
    if spec.warmup is None:
        return way
    sample = unpack_request(memoryview(Path(spec.warmup).read_bytes()))
    way.model(way.build(sample.arrays, sample.rows), sample.rows, sample.params)
    return quickest(way, subject, spec, sample.arrays)


def _size_torch() -> None:
    """The pool of torch as large as the environment says.

    Forked, it would go by the OpenMP runtime of the launcher, which was told of one thread.
    """
    torch, threads = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS", "")
    if torch is not None and threads.isdecimal():
        torch.set_num_threads(int(threads))


def _write_report(spec: ReplicaSpec, report: Mapping[str, object]) -> None:
    """Whole or not at all: the supervisor may look at any moment."""
    target = Path(spec.report)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(report))
    draft.replace(target)


def _listen(path: Path) -> socket.socket:
    """A listener at `path`, which appears only once connections are taken (0600)."""
    draft = path.with_name(f"{path.name}~")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(draft))
    draft.chmod(0o600)
    listener.listen(_BACKLOG)
    draft.replace(path)
    return listener


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that a model has left running must not keep a stopped replica alive.
    os._exit(status)
