"""`doctor`: is everything here that is needed, and what to do where it is not.

Rule: a check looks and changes nothing that lasts; each says "ok", "note" (fine, but worth knowing)
or "problem", and a problem comes with a way out.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_deploy.cli.output import as_json as print_json
from jupyter_deploy.cli.output import json_option, table

if TYPE_CHECKING:
    from jupyter_deploy.client.control import ControlClient
    from jupyter_deploy.client.models import Status

DISTRIBUTION = "jupyterlab-deploy"
DEFAULT_PORT, HIGHEST_PORT = 8900, 65535
OLDEST_PYTHON = (3, 11)
PLATFORMS = ("linux", "darwin")
#: A version of a small model takes a few MB, the logs and the registry a few hundred.
LEAST_FREE_BYTES = 1_000_000_000
_ANSWER_SECONDS = 5.0
_ANOTHER_HOME = "Make it writable, or set JUPYTER_DEPLOY_HOME to a folder of yours."


@dataclass(frozen=True)
class Check:
    """What one look has found; `state` is "ok", "note" or "problem"."""

    name: str
    state: str
    found: str
    fix: str = ""


@click.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """Check that everything needed is here; say what to do if not."""
    checks = list(examine())
    if as_json:
        print_json(checks)
    else:
        rows = [(c.state, c.name, f"{c.found} {c.fix}".rstrip()) for c in checks]
        click.echo(table(("STATE", "WHAT", "FOUND"), rows))
    return 1 if any(check.state == "problem" for check in checks) else 0


def examine() -> Iterator[Check]:
    """All checks, in an order in which the first problem explains the later ones."""
    yield from (check() for check in _LOCAL)
    yield from _processes()


def interpreter() -> Check:
    """Python 3.11 or later."""
    version = sys.version_info[:3]
    found = f"{'.'.join(str(part) for part in version)} at {sys.executable}"
    if version >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "problem", found, "Python 3.11 or later is needed.")


def platform() -> Check:
    """Linux or macOS."""
    name: str = sys.platform
    if name.startswith(PLATFORMS):
        return Check("platform", "ok", name)
    return Check("platform", "problem", name, "On Windows, install and run inside WSL 2.")


def packages() -> Check:
    """Every package that we need, at a version that fits."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        return Check("packages", "problem", f"{DISTRIBUTION} is not installed.", "pip install .")
    needed = [need for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    wrong = [text for need in needed if (text := _misfit(need.name, need.specifier.contains))]
    if wrong:
        return Check("packages", "problem", ", ".join(wrong), f"pip install -U {DISTRIBUTION}")
    shown = ", ".join(f"{name} {metadata.version(name)}" for name in ("mlflow", "scikit-learn"))
    return Check("packages", "ok", f"{len(needed)} fit: {shown}, …")


def _misfit(name: str, fits: Callable[[str], bool]) -> str:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    return "" if fits(version) else f"{name} {version} does not fit"


def home() -> Check:
    """JUPYTER_DEPLOY_HOME is ours and can be written, or can be made."""
    from jupyter_deploy.client import paths
    from jupyter_deploy.errors import StateUnavailable

    folder = paths.home()
    if not folder.exists():
        return _to_be_made(folder)
    try:
        with tempfile.TemporaryFile(dir=paths.private_folder(folder)) as file:
            file.write(b"jupyter_deploy")
    except StateUnavailable as error:
        return Check("home", "problem", error.detail, error.fix)
    except OSError as error:
        return Check("home", "problem", f"{folder}: {error.strerror}.", _ANOTHER_HOME)
    return Check("home", "ok", str(folder))


def _to_be_made(folder: Path) -> Check:
    parent = _existing(folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return Check("home", "ok", f"{folder} (made when first needed)")
    return Check("home", "problem", f"{folder} cannot be made in {parent}.", _ANOTHER_HOME)


def disk() -> Check:
    """There is room for versions and logs."""
    from jupyter_deploy.client import paths

    folder = _existing(paths.home())
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= LEAST_FREE_BYTES:
        return Check("disk", "ok", found)
    return Check("disk", "problem", found, "Make room, or set JUPYTER_DEPLOY_HOME to another disk.")


def sockets() -> Check:
    """The folder of sockets is ours."""
    from jupyter_deploy.client import paths
    from jupyter_deploy.errors import StateUnavailable

    folder = paths.run_folder(paths.home())
    try:
        if folder.exists():
            paths.private_folder(folder)
    except StateUnavailable as error:
        return Check("sockets", "problem", error.detail, error.fix)
    return Check("sockets", "ok", str(folder))


def extension() -> Check:
    """The Jupyter server knows our extension."""
    from jupyter_core.paths import jupyter_config_path

    place = Path("jupyter_server_config.d") / "jupyter_deploy.json"
    for folder in jupyter_config_path():
        if (Path(folder) / place).is_file():
            return Check("extension", "ok", f"enabled in {folder}")
    fix = "Run `jupyter server extension enable jupyter_deploy`."
    return Check("extension", "note", "The Jupyter server does not load jupyter_deploy.", fix)


def sidebar() -> Check:
    """JupyterLab finds our sidebar."""
    from jupyter_core.paths import jupyter_path

    for folder in map(Path, jupyter_path("labextensions")):
        if (folder / "jupyterlab-deploy" / "package.json").is_file():
            return Check("sidebar", "ok", f"installed in {folder}")
    fix = "Install Node.js 20.19 or later and run `pip install .` again; all else works without."
    return Check("sidebar", "note", "JupyterLab's sidebar is not installed.", fix)


_LOCAL = (interpreter, platform, packages, home, disk, sockets, extension, sidebar)


def _processes() -> Iterator[Check]:
    from jupyter_deploy.client.absence import absence
    from jupyter_deploy.client.discovery import running
    from jupyter_deploy.errors import DeployError

    client = running()
    if client is None:
        seen = absence()
        yield Check("supervisor", "note" if seen.nothing else "problem", seen.what, seen.fix)
        yield port() if seen.url is None else gateway(seen.url)
        return
    with client:
        try:
            found = client.status()
        except DeployError as error:
            yield Check("supervisor", "problem", error.detail, error.fix)
            return
        yield Check("supervisor", "ok", f"answers, pid {found.supervisor.pid}")
        yield gateway(found.gateway.url)
        yield registry(found)
        yield endpoints(client)


def port() -> Check:
    """The port that the gateway will ask for is free."""
    text = os.environ.get("JUPYTER_DEPLOY_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        found = f"JUPYTER_DEPLOY_PORT is {text[:20]!r}."
        return Check("port", "problem", found, f"Set it to a port: {DEFAULT_PORT}.")
    wanted = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            fix = "The next free one will be taken; JUPYTER_DEPLOY_PORT names another."
            return Check("port", "note", f"{wanted} is in use.", fix)
    return Check("port", "ok", f"{wanted} is free")


def gateway(url: str) -> Check:
    """The gateway answers."""
    import httpx

    address = f"{url}/v2/health/live"
    try:
        httpx.get(address, timeout=_ANSWER_SECONDS, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        fix = "Look at logs/gateway.log in JUPYTER_DEPLOY_HOME."
        return Check("gateway", "problem", f"{url}: {type(error).__name__}.", fix)
    return Check("gateway", "ok", f"answers at {url}")


def registry(found: Status) -> Check:
    """MLflow takes what we tell it."""
    uri = found.registry.tracking_uri
    if found.registry.pending:
        fix = "They are tried again; look at logs/supervisor.log if this stays."
        return Check("registry", "note", f"{uri}: {found.registry.pending} changes wait.", fix)
    return _remote_registry(uri) if uri.startswith("http") else Check("registry", "ok", uri)


def _remote_registry(uri: str) -> Check:
    import httpx

    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=_ANSWER_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        fix = "Start that server, or unset MLFLOW_TRACKING_URI."
        return Check("registry", "problem", f"{uri}: {type(error).__name__}.", fix)
    return Check("registry", "ok", uri)


def endpoints(client: ControlClient) -> Check:
    """Every endpoint that should serve has a replica that is ready."""
    found = client.endpoints()
    weak = [endpoint.name for endpoint in found if endpoint.state == "degraded"]
    if weak:
        fix = f"Look at `jupyter endpoint logs {weak[0]}`."
        return Check("endpoints", "problem", f"No replica is ready: {', '.join(weak)}.", fix)
    return Check("endpoints", "ok", f"{len(found)} there, none without a replica")


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
