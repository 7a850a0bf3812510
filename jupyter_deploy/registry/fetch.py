"""A registered model, brought back from the registry, and how a replica shall load it.

Rule: what is served is what comes back from here, never what the kernel holds in memory.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.manifest import Loader, LoaderKind, RegisteredModel
from jupyter_deploy.errors import NotAModel, RegistryUnavailable
from jupyter_deploy.registry.location import quiet, using
from jupyter_deploy.registry.package import CONTRACT_FILE, FUNCTION_KEY
from jupyter_deploy.registry.signature import contract_of


def fetch(registered: RegisteredModel, folder: Path) -> None:
    """Copy the artefact of a registered version into `folder`.  Raises RegistryUnavailable."""
    download(f"models:/{registered.name}/{registered.version}", folder, registered.tracking_uri)


def download(source: str, folder: Path, uri: str) -> None:
    """Copy the MLflow model at `source` into `folder`.  Raises RegistryUnavailable or NotAModel."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with using(uri):
        import mlflow.artifacts

        got = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(folder)))
    if got.resolve() != folder.resolve():
        _move_up(got, folder)
    if not (folder / "MLmodel").is_file():
        raise NotAModel(f"There is no MLflow model at {source}.", "Name the model's own folder.")


def pinned(source: str, uri: str) -> str:
    """The URI `source` with a version's number in place of an alias, which may move meanwhile.

    Raises RegistryUnavailable when there is no such alias.
    """
    named = re.fullmatch(r"models:/+([^/@]+)@([^/@]+)", source)
    if named is None:
        return source
    with using(uri) as client:
        found = client.get_model_version_by_alias(named[1], named[2])
        return f"models:/{named[1]}/{found.version}"


def loader_of(folder: Path) -> Loader:
    """How to load the MLflow model in `folder`: as what it is where we can, else as a pyfunc."""
    model = _read(folder)
    function = (model.metadata or {}).get(FUNCTION_KEY)
    if function and (folder / function).is_file():
        return Loader(LoaderKind.CLOUDPICKLE, str(function), function=True)
    native = model.flavors.get("sklearn")
    pyfunc = model.flavors.get("python_function", {})
    if native is None or native.get("code") or pyfunc.get("predict_fn", "predict") != "predict":
        return Loader(LoaderKind.PYFUNC)
    file = str(native["pickled_model"])
    if native.get("serialization_format") == "skops":
        return Loader(LoaderKind.SKOPS, file, tuple(native.get("skops_trusted_types") or ()))
    return Loader(LoaderKind.CLOUDPICKLE, file)


def described(folder: Path) -> tuple[Contract, Any]:
    """What the MLflow model in `folder` says of its input, and its example (or None).

    A model of ours brought its own contract; others have a signature, which says less.
    """
    model = _read(folder)
    own = folder / CONTRACT_FILE
    contract = _own_contract(own) if own.is_file() else contract_of(model.signature)
    try:
        with quiet():
            example = model.load_input_example(str(folder))
    except Exception:  # noqa: BLE001 - an example that cannot be read is none
        example = None
    return contract, example


def digest(folder: Path) -> str:
    """The SHA-256 of a folder: of the names and contents of all its files."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            total.update(f"{len(name)}:{name}:{file_digest(path)}\n".encode())
    return total.hexdigest()


def _own_contract(path: Path) -> Contract:
    return msgspec.json.decode(path.read_bytes(), type=Contract)


def file_digest(path: Path) -> str:
    """The SHA-256 of one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _move_up(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        path.rename(folder / path.name)
    source.rmdir()


def _read(folder: Path) -> Any:
    from mlflow.models import Model

    try:
        return Model.load(str(folder))
    except Exception as error:
        raise RegistryUnavailable(
            f"The model that came from the registry cannot be read: {type(error).__name__}.",
            "Look at it in the MLflow UI, then run the command again.",
        ) from error
