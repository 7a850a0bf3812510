"""A small disk of its own, which can be filled, and a disk that does not sync."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Every fsync of a process that has this preloaded fails as long as the file exists.
_NO_SYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) {
    const char *file = getenv("NO_SYNC_WHILE");
    return file != NULL && access(file, F_OK) == 0;
}

static int sync_or_fail(const char *name, int descriptor) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, name))(descriptor);
}

int fsync(int descriptor) { return sync_or_fail("fsync", descriptor); }
int fdatasync(int descriptor) { return sync_or_fail("fdatasync", descriptor); }
"""


@dataclass(frozen=True)
class Disk:
    """`folder` is a file system of its own."""

    folder: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[Callable[[], None]]:
        """Nothing more can be written while the block runs; what it gets fills the disk again."""
        filler = self.folder / "filler"

        def fill() -> None:
            with filler.open("ab", buffering=0) as stream:
                for size in (1 << 20, 1 << 12, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            stream.write(b"\0" * size)

        fill()
        try:
            yield fill
        finally:
            filler.unlink()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written, made or removed while the block runs; what is open stays so."""
        itself = str(self.folder)
        subprocess.run(["mount", "--bind", "-o", "ro", itself, itself], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", itself], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """A tmpfs at `folder`; skips where none can be mounted."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here (it needs root)")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass(frozen=True)
class Syncs:
    """`environment` is that of processes whose fsync can be made to fail."""

    environment: dict[str, str]

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Every fsync gives EIO while the block runs."""
        flag = Path(self.environment["NO_SYNC_WHILE"])
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()


def syncs(folder: Path) -> Syncs | None:
    """Made with the C compiler; None where there is none."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "no_sync.c", folder / "no_sync.so"
    source.write_text(_NO_SYNC)
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return Syncs({"LD_PRELOAD": str(library), "NO_SYNC_WHILE": str(folder / "no-sync")})
