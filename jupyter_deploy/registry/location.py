"""Which MLflow is used, and how it is used without anybody noticing.

Rule 1: the person's own tracking URI wins: set in the kernel, or MLFLOW_TRACKING_URI.  Else it is
the one that the supervisor named, else SQLite under JUPYTER_DEPLOY_HOME.  Rule 2: whatever is done
with a registry is done inside `using`: tracking URI, environment, loggers and warnings are
afterwards as they were, and MLflow has printed nothing into the cell.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_deploy.core.uris import without_password
from jupyter_deploy.errors import RegistryUnavailable
from jupyter_deploy.registry import database

_QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_TRACKING_URI = "MLFLOW_TRACKING_URI"
_LOGGERS = ("mlflow", "alembic")


def default_uri(home: Path) -> str:
    """The tracking URI of the registry under `home`."""
    return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"


def artifact_location(uri: str) -> str | None:
    """Where our own experiment keeps its artefacts in a registry of ours; else MLflow decides."""
    file = Path(uri.removeprefix("sqlite:///"))
    ours = uri.startswith("sqlite:///") and file.parts[-2:] == ("mlflow", "mlflow.db")
    return (file.parent / "artifacts").as_uri() if ours and file.is_absolute() else None


def resolve(named: str, home: Path) -> str:
    """The tracking URI to use; `named` is the supervisor's (it may be empty)."""
    import mlflow
    from mlflow.tracking import is_tracking_uri_set

    if is_tracking_uri_set():
        return str(mlflow.get_tracking_uri())
    return named or default_uri(home)


@contextlib.contextmanager
def using(uri: str) -> Iterator[Any]:
    """An MlflowClient of the registry at `uri`.

    Raises RegistryUnavailable when the registry cannot be reached, read or written.
    """
    with quiet(), _unchanged_environment(), _errors(uri):
        import mlflow

        _make_database(uri)
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        if before == uri:
            yield mlflow.MlflowClient()
            return
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow.MlflowClient()
        finally:
            mlflow.set_tracking_uri(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of MLflow's chatter: log lines, warnings, progress bars, links."""
    import mlflow  # noqa: F401 - first, because its import sets the levels of its loggers

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    before = {name: os.environ.get(name) for name in _QUIET}
    os.environ.update(_QUIET)
    for logger in loggers:
        # What failed is raised, and told as one of our errors.
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # MLflow shows some of its own in spite of the filters.
            warnings.showwarning = lambda *_, **__: None
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        _restore(before)


@contextlib.contextmanager
def _unchanged_environment() -> Iterator[None]:
    # MLflow writes the URI into the environment, for child processes to inherit.
    before = {_TRACKING_URI: os.environ.get(_TRACKING_URI)}
    try:
        yield
    finally:
        _restore(before)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _errors(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        if isinstance(error, RegistryUnavailable):
            raise
        raise RegistryUnavailable(
            f"MLflow at {without_password(uri)} says: {_first_line(error)}.", _way_out(error)
        ) from error


def _way_out(error: BaseException) -> str:
    full = "disk is full" in str(error) or getattr(error, "errno", None) == errno.ENOSPC
    if full:
        return "Make room there, then run the command again."
    return (
        "Check the tracking URI (mlflow.get_tracking_uri()) and that it can be written, "
        "then run the command again."
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")


def _make_database(uri: str) -> None:
    artifacts = artifact_location(uri)
    if artifacts is not None:
        database.make(Path(uri.removeprefix("sqlite:///")), artifacts)
