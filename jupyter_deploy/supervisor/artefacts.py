"""Artefacts: the local copy of each version's files, from which its replicas are started.

Rule 1: no replica starts from files that are not those which were deployed; MLflow is not asked as
long as they are.  Rule 2: a copy that is damaged or gone is fetched from MLflow again; where that
does not give the same files, the version cannot start, and what runs of it goes on.  Rule 3: a home
that is away for a moment (a network, a mount) has lost no files.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from jupyter_deploy.core.manifest import MODEL
from jupyter_deploy.registry.fetch import digest, file_digest
from jupyter_deploy.supervisor.failures import FilesAway, FilesLost
from jupyter_deploy.supervisor.happenings import Happening
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.registry_process import RegistryProcess
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import Version

#: A registry that is slow must not keep traffic from the last good version for long.
_FETCH_SECONDS = 60.0
#: What could not be had is not asked for again with each start that is tried.
_AGAIN_SECONDS = 30.0


class Artefacts:
    """The files of all versions; `version` finds one by its number, as it is now."""

    def __init__(
        self, settings: Settings, journal: Journal, version: Callable[[int], Version | None]
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._version = version
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lost: dict[int, tuple[float, FilesLost]] = {}

    async def check(self, number: int) -> None:
        """Return when the files of a version are those that were deployed.

        Raises FilesLost or FilesAway.
        """
        version = self._version(number)
        if version is None or version.fate == "starting":
            # Its deploy checks them, and says so in its own words.
            return
        async with self._locks[number]:
            await asyncio.to_thread(_look, self._settings.versions)
            folder = self._settings.versions / str(number)
            await asyncio.to_thread(_set_damaged_form_aside, folder, version)
            if not await _whole(folder / MODEL, version):
                await self._restore(folder, version)
            self._lost.pop(number, None)

    async def _restore(self, folder: Path, version: Version) -> None:
        """Put MLflow's copy in the place of the damaged one.  Raises FilesLost."""
        at, before = self._lost.get(version.number, (0.0, None))
        if before is not None and time.monotonic() < at + _AGAIN_SECONDS:
            raise before
        try:
            await self._fetch(folder, version)
        except FilesLost as lost:
            self._lost[version.number] = time.monotonic(), lost
            self._tell("files-lost", f"{lost.reason} {lost.fix}", version)
            raise
        what = f"The files of {version.endpoint} {version.version} were damaged"
        self._tell("files-restored", f"{what}; MLflow has given them again.", version)

    async def _fetch(self, folder: Path, version: Version) -> None:
        """Raises FilesLost."""
        fresh = folder / f"{MODEL}.new"
        registry = RegistryProcess(self._settings)
        try:
            await asyncio.to_thread(_remove, fresh)
            async with asyncio.timeout(_FETCH_SECONDS):
                await registry.send(_order(version, fresh))
            if not await _whole(fresh, version):
                raise _lost(version, "what MLflow has is not the same")
            await asyncio.to_thread(_replace, folder / MODEL, fresh)
        except TimeoutError as error:
            raise _lost(version, f"MLflow has not answered in {_FETCH_SECONDS:g} s") from error
        except FilesLost:
            raise
        except (OSError, ValueError) as error:
            raise _lost(version, f"MLflow does not give them again: {error}") from error
        finally:
            await asyncio.shield(self._tidy(registry, fresh))

    async def _tidy(self, registry: RegistryProcess, fresh: Path) -> None:
        await registry.close(0.0)
        await asyncio.to_thread(_remove, fresh)

    def _tell(self, kind: Happening, message: str, version: Version) -> None:
        self._journal.add(kind, message, endpoint=version.endpoint, version=version.version)


def _look(folder: Path) -> None:
    """Raises FilesAway: the folder of all versions is not there now."""
    try:
        folder.stat()
    except OSError as error:
        raise FilesAway(f"{folder} cannot be reached: {error.strerror}.") from error


async def _whole(folder: Path, version: Version) -> bool:
    try:
        return await asyncio.to_thread(digest, folder) == version.manifest.digest
    except OSError:
        return False


def _order(version: Version, folder: Path) -> dict[str, str]:
    registered = version.manifest.registered
    return {
        "tracking_uri": registered.tracking_uri,
        "name": registered.name,
        "version": registered.version,
        "folder": str(folder),
    }


def _set_damaged_form_aside(folder: Path, version: Version) -> None:
    """A replica that finds no compiled form serves the model itself, and says so."""
    form = version.manifest.compiled
    file = None if form is None else folder / form.file
    if form is None or file is None or not file.is_file():
        return
    if file_digest(file) != form.digest:
        file.replace(file.with_name(f"{file.name}.damaged"))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _replace(damaged: Path, fresh: Path) -> None:
    # What was deployed is there again, bit for bit: nothing is lost with the damaged one.
    _remove(damaged)
    fresh.replace(damaged)


def _lost(version: Version, why: str) -> FilesLost:
    name = f"{version.endpoint} {version.version}"
    said = " ".join(why.split())[:300].rstrip(".")
    return FilesLost(f"The files of {name} are not those that were deployed, and {said}.")
