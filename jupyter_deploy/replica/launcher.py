"""The launcher: imports the libraries of one environment once, then forks replicas from itself.

    python -m jupyter_deploy.replica.launcher SOCKET MODULE...

Whoever connects to SOCKET sends JSON lines {"spec", "log", "environment"} and reads, for each,
{"pid"} or {"refused": why}; and, when a replica ends, {"exited": pid, "status": wait status,
"peak_bytes": the most memory that it held}.

Rule 1: a fork copies one thread and every lock, so this process has one thread, always: the pools
of the numeric libraries are told to start none (`ENVIRONMENT`), and a fork is refused when a
library has started one all the same.  Rule 2: it never loads a model and never reads a request.
Rule 3: replicas do not need it: when it dies, they go on.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from jupyter_deploy.replica.__main__ import main as replica_main
from jupyter_deploy.replica.spec import EXIT_NO_ROOM

#: Keeps the libraries from starting threads when they are imported.  The last one is for pyarrow,
#: which pandas imports: its allocator would start a thread of its own.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
_MAX_LINE = 1 << 20
_RESTORED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class Launcher:
    """One listening socket, the connections to it, and the replicas that are alive."""

    def __init__(self, path: Path) -> None:
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytes] = {}
        self._stopping = False
        # A signal wakes the selector through this pair: no handler runs between two lines of ours.
        self._wakeup, wakeup_end = socket.socketpair()
        for end in (self._wakeup, wakeup_end):
            end.setblocking(False)  # noqa: FBT003 - the standard library has it so
        self._wakeup_end = wakeup_end
        signal.set_wakeup_fd(wakeup_end.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._path = path
        self._listener = _listen(path)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wakeup, selectors.EVENT_READ)

    def serve(self) -> None:
        """Fork on request until SIGTERM."""
        while not self._stopping:
            for key, _ in self._selector.select():
                self._handle(key.fileobj)
        self._path.unlink(missing_ok=True)

    def _stop(self) -> None:
        self._stopping = True

    def _handle(self, source: Any) -> None:
        if source is self._listener:
            connection, _ = self._listener.accept()
            self._buffers[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ)
        elif source is self._wakeup:
            self._wakeup.recv(4096)
            self._reap()
        else:
            self._read(source)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
        except OSError:
            data = b""
        *lines, rest = (self._buffers[connection] + data).split(b"\n")
        if not data or len(rest) > _MAX_LINE:
            self._close(connection)
            return
        self._buffers[connection] = rest
        for line in lines:
            self._say(connection, self._launch(json.loads(line)))

    def _launch(self, order: dict[str, Any]) -> dict[str, Any]:
        threads = _threads()
        if threads > 1:
            return {"refused": f"a library has started {threads - 1} threads"}
        pid = os.fork()
        if pid == 0:
            self._become_replica(order)
        return {"pid": pid}

    def _become_replica(self, order: dict[str, Any]) -> None:
        """In the child: leave nothing of the launcher behind, be a replica, never return."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _RESTORED:
                signal.signal(number, signal.SIG_DFL)
            for one in (self._listener, self._wakeup, self._wakeup_end, *self._buffers):
                one.close()
            self._selector.close()
            os.setsid()
            _note(Path(order["spec"]).with_suffix(".pid"))
            _redirect(Path(order["log"]))
            os.environ.update(order["environment"])
            status = replica_main([order["spec"]])
        except OSError as error:
            # Nor does a note that found no room say anything of the model.
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                status = EXIT_NO_ROOM
        finally:
            # Not sys.exit: the frames and exit handlers above belong to the launcher.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.wait4(-1, os.WNOHANG))[0]:
                pid, status, usage = ended
                said = {"exited": pid, "status": status, "peak_bytes": usage.ru_maxrss * 1024}
                for connection in list(self._buffers):
                    self._say(connection, said)

    def _say(self, connection: socket.socket, message: dict[str, Any]) -> None:
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        if self._buffers.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()


def warm(modules: list[str]) -> None:
    """Import what replicas will need; what this environment does not have is left out."""
    for module in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    # What is there now is never garbage; without this the children's collectors would touch, and
    # so copy, every page of it.
    gc.collect()
    gc.freeze()


def main(arguments: list[str]) -> int:
    """Warm up, then serve; 0 when stopped."""
    path, *modules = arguments
    warm(modules)
    Launcher(Path(path)).serve()
    return 0


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listener.bind(str(fresh))
    fresh.chmod(0o600)
    listener.listen(8)
    # Renamed last: whoever sees the socket may connect.
    fresh.rename(path)
    return listener


def _note(path: Path) -> None:
    """Who this is: pid and start (field 22 of proc_pid_stat(5)), for a later supervisor to find."""
    started = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_text(f"{os.getpid()} {started}")
        draft.chmod(0o600)
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(null)
    os.close(out)


def _threads() -> int:
    """How many threads this process has, as the kernel counts them (Linux only)."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
