"""A model that is in MLflow already: models:/NAME/3, models:/NAME@ALIAS, runs:/ID/model.

Rule: it is loaded here as a replica will load it, natively where that is possible, so that a
classifier keeps its probabilities; and registered later as it is, not written anew.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_deploy.core.manifest import LoaderKind
from jupyter_deploy.errors import NotAModel, RegistryUnavailable
from jupyter_deploy.pipeline.resolve import Subject, SubjectKind, estimator_subject
from jupyter_deploy.registry import fetch
from jupyter_deploy.registry.location import quiet
from jupyter_deploy.replica.models import load_model


def subject_from_mlflow(source: str, folder: Path, uri: str) -> Subject:
    """The model at `source` in the registry at `uri`, downloaded into `folder` and loaded.

    Raises NotAModel when there is none, or when it cannot be loaded in this kernel.
    """
    try:
        source = fetch.pinned(source, uri)
        fetch.download(source, folder, uri)
    except RegistryUnavailable as error:
        raise NotAModel(
            f"There is no MLflow model at {source}: {error.detail}",
            "Check the URI: models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID/NAME.",
        ) from error
    loader = fetch.loader_of(folder)
    described, example = fetch.described(folder)
    try:
        with quiet():
            model = load_model(loader.kind.value, folder, loader.file, loader.trusted)
    except Exception as error:
        message = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise NotAModel(
            f"The model at {source} cannot be loaded in this kernel: {message}",
            "Install what it needs (its requirements.txt in MLflow says what), then try again.",
        ) from error
    if loader.function or loader.kind is LoaderKind.PYFUNC:
        title = "function" if loader.function else type(model).__name__
        return Subject(
            SubjectKind.MLFLOW,
            model,
            title,
            source=source,
            loader=loader,
            described=described,
            example=example,
        )
    return estimator_subject(
        model,
        kind=SubjectKind.MLFLOW,
        source=source,
        loader=loader,
        described=described,
        example=example,
    )
