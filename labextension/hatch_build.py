"""Builds the lab extension when a wheel or an sdist is made, and puts it where JupyterLab looks.

Rule 1: what is built for these very sources is used as it is, so that an sdist or a second build
needs no Node.  Rule 2: SKIP_JUPYTER_BUILDER=1 builds nothing: the sidebar is then missing, and a
warning says so.  Rule 3: where it cannot be built (no Node, no way to the npm registry) all else is
installed, one sentence says why and what to do, and `jupyter endpoint doctor` says it again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARD_STYLES = "../jupyter_deploy/notebook/templates/card.css"
SOURCES = ("package.json", "yarn.lock", "tsconfig.json", "src", "style", "schema", CARD_STYLES)
OUTPUT = "jupyter_deploy/labextension"
INSTALLED = "share/jupyter/labextensions/jupyterlab-deploy"
#: In OUTPUT: the digest of the sources that it was built from.
DIGEST = "sources.sha256"
SKIP = "SKIP_JUPYTER_BUILDER"
WITHOUT = "Installed without JupyterLab's sidebar; everything else works."


class CannotBuild(Exception):
    """Why, and what to do."""


class LabExtensionHook(BuildHookInterface):
    """The build hook of pyproject.toml."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What a build takes, and nothing when there is none."""
        return ["jupyter-builder>=1.2,<2"] if self._is_to_build() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build if need be, and name the files that are installed."""
        if self._is_to_build():
            try:
                self._build()
            except CannotBuild as reason:
                shutil.rmtree(self._output, ignore_errors=True)
                self.app.display_warning(f"{WITHOUT} {reason}")
        if self.target_name != "wheel" or not (self._output / "package.json").is_file():
            return
        build_data["shared_data"] |= {
            str(self._output): INSTALLED,
            str(self._folder / "install.json"): f"{INSTALLED}/install.json",
        }

    @property
    def _folder(self) -> Path:
        return Path(self.root) / "labextension"

    @property
    def _output(self) -> Path:
        return Path(self.root) / OUTPUT

    def _is_to_build(self) -> bool:
        if os.environ.get(SKIP):
            return False
        built_from = self._output / DIGEST
        return not built_from.is_file() or built_from.read_text() != digest(self._folder)

    def _build(self) -> None:
        if not (shutil.which("node") or shutil.which("nodejs")):
            raise CannotBuild("It is built with Node.js 20.19 or later: install it, try again.")
        self._run(
            "install", "--immutable", failed="The npm registry could not be reached: see above."
        )
        self._run("build:prod", failed="The build failed: see above.")
        (self._output / DIGEST).write_text(digest(self._folder))

    def _run(self, *arguments: str, failed: str) -> None:
        # Isolated builds have jlpm on PATH; without isolation it is beside Python.
        path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        jlpm = shutil.which("jlpm", path=path)
        # The module has no `__main__`: with `-m` it would do nothing, and succeed.
        imported = "from jupyter_builder.jlpm import main; main()"
        command = [jlpm] if jlpm else [sys.executable, "-c", imported]
        environment = os.environ | {"PATH": path, "YARN_ENABLE_TELEMETRY": "0"}
        done = subprocess.run(
            [*command, *arguments], cwd=self._folder, env=environment, check=False
        )
        if done.returncode:
            raise CannotBuild(failed)


def digest(folder: Path) -> str:
    """The SHA-256 of everything that the extension is made of."""
    found = hashlib.sha256()
    for file in sorted(file for source in SOURCES for file in _files(folder / source)):
        found.update(file.relative_to(folder).as_posix().encode())
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [file for file in place.rglob("*") if file.is_file() and "__tests__" not in file.parts]
