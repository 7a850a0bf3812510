"""A model as a folder in MLflow's format, and that folder as a version in the registry.

Rule 1: what MLflow can load, MLflow's own `pyfunc.load_model` can load too, without us.  Rule 2:
skops where it holds exactly this model, because it runs no code when it is read; cloudpickle where
not.  Rule 3: whoever fails half-way calls `discard`; nothing half-done stays.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec

from jupyter_deploy import failpoints
from jupyter_deploy.core.contract import Contract
from jupyter_deploy.core.manifest import LOCK, RegisteredModel
from jupyter_deploy.errors import PackageFailed
from jupyter_deploy.registry import packages, travel
from jupyter_deploy.registry.location import artifact_location, quiet, using
from jupyter_deploy.registry.signature import signature_of

EXPERIMENT = "jupyter_deploy"
VERSION_TAG = "jupyter_deploy.version"
#: On run and version: the deploy that made them, so that what it left half-done can be found.
DEPLOY_TAG = "jupyter_deploy.deploy"
#: In MLmodel's metadata: the function's own file, which a replica reads without MLflow.
FUNCTION_KEY = "jupyter_deploy.function"
FUNCTION_FILE = "artifacts/function.pkl"
#: The contract, which says more than MLflow's signature, for a model that is deployed again.
CONTRACT_FILE = "jupyter_deploy.json"


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model in a folder: how it was written, and the local modules that went with it."""

    folder: Path
    format: str
    by_value: tuple[str, ...] = ()


def package_estimator(
    estimator: Any, contract: Contract, folder: Path, *, example: Any = None
) -> Packaged:
    """Write anything with a `predict` as an MLflow model of the sklearn flavor.

    `example` are some rows as the model gets them.  Raises PackageFailed.
    """
    with quiet(), travel.by_value(), _failures(estimator):
        import mlflow.sklearn

        data, trusted = _serialised(estimator)
        kind = "cloudpickle" if trusted is None else "skops"
        save = partial(
            mlflow.sklearn.save_model,
            sk_model=estimator,
            serialization_format=kind,
            skops_trusted_types=trusted,
            signature=signature_of(contract) or False,
        )
        used = {*travel.modules_in(data), "sklearn", kind}
        _saved(save, folder, used, example)
        (folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(contract))
        return Packaged(folder, kind, _local_names(data))


def package_function(
    function: Any, contract: Contract, folder: Path, *, example: Any = None
) -> Packaged:
    """Write a function of the input as an MLflow model of the pyfunc flavor.

    Raises PackageFailed, and says which global cannot travel.
    """
    with quiet(), travel.by_value(), _failures(function), tempfile.TemporaryDirectory() as scratch:
        import mlflow.pyfunc

        data = cloudpickle.dumps(function)
        file = Path(scratch) / Path(FUNCTION_FILE).name
        file.write_bytes(data)
        save = partial(
            mlflow.pyfunc.save_model,
            python_model=_python_model(),
            artifacts={"function": str(file)},
            signature=signature_of(contract),
            metadata={FUNCTION_KEY: FUNCTION_FILE},
        )
        _saved(save, folder, travel.modules_in(data), example)
        (folder / CONTRACT_FILE).write_bytes(msgspec.json.encode(contract))
        return Packaged(folder, "function", _local_names(data))


def register(
    packaged: Packaged, name: str, version: str, uri: str, deploy_id: str = ""
) -> RegisteredModel:
    """Make the folder a version of the registered model `name`.  Raises RegistryUnavailable."""
    with using(uri) as client:
        experiment = _experiment(client, uri)
        run = client.create_run(
            experiment, run_name=f"{name} {version}", tags={DEPLOY_TAG: deploy_id}
        )
        run_id = str(run.info.run_id)
        registered = RegisteredModel(uri, name, "", run_id)
        try:
            logged = client.create_logged_model(experiment, name=name, source_run_id=run_id)
            _sign(packaged.folder, logged, run_id)
            failpoints.reach("register run")
            client.log_model_artifacts(logged.model_id, str(packaged.folder))
            failpoints.reach("register model")
            client.finalize_logged_model(logged.model_id, "READY")
            tags = {VERSION_TAG: version, DEPLOY_TAG: deploy_id}
            number = _add_version(client, name, tags, f"models:/{logged.model_id}", run_id)
            failpoints.reach("register version")
            client.set_terminated(run_id)
        except BaseException:
            discard(registered)
            raise
        source = f"models:/{logged.model_id}"
        return RegisteredModel(uri, name, number, run_id, source, deploy_id)


def register_source(
    source: str, name: str, version: str, uri: str, deploy_id: str = ""
) -> RegisteredModel:
    """Make the MLflow model at `source` (runs:/ or models:/) a version of `name`, as it is.

    Raises RegistryUnavailable.
    """
    with using(uri), contextlib.redirect_stderr(io.StringIO()):
        import mlflow

        tags = {VERSION_TAG: version, DEPLOY_TAG: deploy_id}
        model = mlflow.register_model(source, name, tags=tags)
        return RegisteredModel(uri, name, str(model.version), "", source, deploy_id)


def discard_deploy(name: str, deploy_id: str, uri: str) -> None:
    """Remove what a deploy that was cut has left in the registry, if anything.

    Raises RegistryUnavailable.
    """
    with using(uri) as client:
        made = f"tags.`{DEPLOY_TAG}` = '{deploy_id}'"
        experiment = client.get_experiment_by_name(EXPERIMENT)
        runs = [] if experiment is None else client.search_runs([experiment.experiment_id], made)
        ids = [str(run.info.run_id) for run in runs]
        versions = client.search_model_versions(f"name = '{name}' and {made}")
        found = [(str(one.version), str(one.run_id or "")) for one in versions]
        half = [("", run_id) for run_id in ids if run_id not in {run for _, run in found}]
        for version, run_id in (*found, *half):
            discard(RegisteredModel(uri, name, version, run_id if run_id in ids else ""))


def discard(registered: RegisteredModel) -> None:
    """Remove what a deploy that failed has put into the registry.  Raises RegistryUnavailable.

    Run and artefacts are removed where they were made for it (`run_id` says so), and a registered
    model that has no version left goes too.
    """
    with using(registered.tracking_uri) as client:
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):
            # First, because on a full disk it makes the room that the rest needs.
            _remove_files(client, registered)
        with contextlib.suppress(MlflowException):
            for number in _versions(client, registered):
                client.delete_model_version(registered.name, number)
        with contextlib.suppress(MlflowException):
            if not client.search_model_versions(f"name='{registered.name}'"):
                client.delete_registered_model(registered.name)
        with contextlib.suppress(MlflowException):
            _discard_run(client, registered)


def _versions(client: Any, registered: RegisteredModel) -> list[str]:
    """Its version; where it was cut before its number was known, that of its run."""
    if registered.version or not registered.run_id:
        return [registered.version] if registered.version else []
    found = client.search_model_versions(f"run_id='{registered.run_id}'")
    return [str(version.version) for version in found]


def _remove_files(client: Any, registered: RegisteredModel) -> None:
    """Remove the artefacts, in our own folder: MLflow only marks a model as deleted."""
    if artifact_location(registered.tracking_uri) is not None:
        for logged in _logged(client, registered):
            files = Path(logged.artifact_location.removeprefix("file://"))
            # They are in a folder of the model's own: models/ID/artifacts.
            own = files.parent if files.parent.name == logged.model_id else files
            shutil.rmtree(own, ignore_errors=True)


def _discard_run(client: Any, registered: RegisteredModel) -> None:
    for logged in _logged(client, registered):
        client.delete_logged_model(logged.model_id)
    if registered.run_id:
        client.delete_run(registered.run_id)


def _logged(client: Any, registered: RegisteredModel) -> list[Any]:
    """The models that its run has logged."""
    if not registered.run_id:
        return []
    experiment = client.get_run(registered.run_id).info.experiment_id
    found = f"source_run_id = '{registered.run_id}'"
    return list(client.search_logged_models([experiment], filter_string=found))


def _add_version(client: Any, name: str, tags: dict[str, str], source: str, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = source.removeprefix("models:/")
    created = client.create_model_version(name, source, run_id, tags=tags, model_id=model_id)
    return str(created.version)


def _experiment(client: Any, uri: str) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None and found.lifecycle_stage == "active":
        return str(found.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifact_location(uri)))


def _sign(folder: Path, logged: Any, run_id: str) -> None:
    """Write into MLmodel where the model stands."""
    from mlflow.models import Model

    model = Model.load(str(folder))
    model.model_id = model.model_uuid = logged.model_id
    model.artifact_path = logged.artifact_location
    model.run_id = run_id
    model.save(str(folder / "MLmodel"))


def _saved(save: Callable[..., None], folder: Path, modules: set[str], example: Any) -> None:
    """Save with pinned requirements and the lock that they are taken from.

    The example is left out when MLflow cannot write these rows as JSON.
    """
    installed = packages.installed()
    # Given, because MLflow would load the model in a new process to find out.
    save = partial(save, path=str(folder), pip_requirements=travel.requirements(modules, installed))
    try:
        save(input_example=example)
    except Exception:
        if example is None:
            raise
        shutil.rmtree(folder, ignore_errors=True)
        save(input_example=None)
    (folder / LOCK).write_text(travel.lock(installed))


def _serialised(estimator: Any) -> tuple[bytes, list[str] | None]:
    """The estimator's bytes, and the types to trust if skops holds it (else it is a pickle)."""
    from skops.io import dumps, get_untrusted_types, loads

    try:
        data = dumps(estimator)
        types = get_untrusted_types(data=data)
        if not any(map(travel.is_local, types)):
            loads(data, trusted=types)
            return data, types
    except Exception:  # noqa: BLE001, S110 - skops and the model's own code raise what they like
        pass
    return cloudpickle.dumps(estimator), None


def _local_names(data: bytes) -> tuple[str, ...]:
    return tuple(sorted(travel.modules_in(data) & set(travel.local_modules())))


def _python_model() -> Any:
    """The function for MLflow: a class of no module, so that it travels by value."""
    from mlflow.pyfunc import PythonModel

    class DeployedFunction(PythonModel):  # type: ignore[misc]
        # Without annotations: MLflow would take them for the schema of the input.
        def load_context(self, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            import pickle

            with open(context.artifacts["function"], "rb") as stream:  # noqa: PTH123
                self.function = pickle.load(stream)  # noqa: S301 - MLflow's own artefact

        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG002
            return self.function(model_input)

    return DeployedFunction()


@contextlib.contextmanager
def _failures(subject: Any) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PackageFailed(
            "package",
            f"The model cannot be written: {error.strerror or error}.",
            "Free some space, or set TMPDIR to a folder with more.",
        ) from error
    except Exception as error:
        cause = travel.culprit(subject)
        fix = "Create it inside the function, or leave it out of the model."
        if cause is None:
            cause = _first_line(error)
            fix = "cloudpickle.dumps(MODEL) in the notebook shows where it fails."
        raise PackageFailed("package", f"The model cannot be packaged: {cause}.", fix) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")
