"""Ways to damage the state of a stack, and what has come back of it."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import psutil

from jupyter_deploy.client.models import CreateKey, EndpointStatus
from jupyter_deploy.supervisor.store import backups
from tests.process.stack import Stack, ended, me, ours
from tests.support import wait_until

# --- ways to damage a file ------------------------------------------------------------------------


def wal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def checkpoint(file: Path) -> None:
    """Move what is in the -wal into the file, so that it is the file that is damaged."""
    with contextlib.closing(sqlite3.connect(file, timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def truncated(file: Path) -> None:
    checkpoint(file)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2 + 100)


def header_zeroed(file: Path) -> None:
    checkpoint(file)
    overwrite(file, 0, b"\0" * 100)


def page_random(file: Path) -> None:
    checkpoint(file)
    # The second page: the root of the first table, endpoints.
    overwrite(file, 4096, random.Random(1).randbytes(4096))


def emptied(file: Path) -> None:
    checkpoint(file)
    file.write_bytes(b"")


def removed(file: Path) -> None:
    checkpoint(file)
    file.unlink()


def wal_deleted(file: Path) -> None:
    assert wal(file).stat().st_size > 0
    wal(file).unlink()


def wal_random(file: Path) -> None:
    size = wal(file).stat().st_size
    assert size > 0
    overwrite(wal(file), 0, random.Random(2).randbytes(size))


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


WAYS = [truncated, header_zeroed, page_random, emptied, removed, wal_deleted, wal_random]


# --- looking --------------------------------------------------------------------------------------


def kill_supervisor(one: Stack) -> None:
    process = psutil.Process(one.supervisor_pid())
    process.kill()
    wait_until(lambda: ended(process.pid), 10)


def until_registrars_end(one: Stack) -> None:
    """That of a supervisor that was killed sees so once it has imported MLflow."""

    def none() -> bool:
        with contextlib.suppress(psutil.Error):
            return not any("jupyter_deploy.registry" in each.cmdline() for each in ours(one.home))
        return False

    wait_until(none, 60)


def known(one: Stack) -> tuple[tuple, str]:
    """What there is after a change that has a backup, and the key that it made."""
    issued = one.client.create_key(CreateKey("billing", ("churn",), me()))
    wait_until(lambda: issued.key.key_id in keys_in_newest_backup(one), 10)
    return shape(one), Path(issued.file).read_text()


def keys_in_newest_backup(one: Stack) -> set[str]:
    newest = backups.known(one.home / "backups")[0].path
    with contextlib.closing(sqlite3.connect(f"file:{newest}?immutable=1", uri=True)) as backup:
        return {key for (key,) in backup.execute("SELECT key_id FROM keys")}


def shape(one: Stack) -> tuple:
    """Endpoints, versions, traffic and keys: all that a person has made."""
    return [endpoint_shape(each) for each in one.client.endpoints()], one.client.keys()


def endpoint_shape(one: EndpointStatus) -> tuple:
    versions = [(each.version, each.state, each.created_at, each.origin) for each in one.versions]
    # A living process keeps its pid; after a stop there are none to keep.
    return one.name, one.url, one.active, one.standby, one.generation, one.key_file, versions


def recovered(one: Stack) -> str:
    """The sentence of the last recovery; the damaged files are where it says."""
    told = [event for event in one.client.events() if event.kind == "state-recovered"]
    what = told[-1].message
    _, found, rest = what.partition(" It lies in ")
    if found:
        folder = Path(rest.partition(". ")[0])
        assert folder.parent == one.home / "damaged"
        assert any(file.name.startswith("state.db") for file in folder.iterdir())
    return what
