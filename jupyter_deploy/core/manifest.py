"""The manifest: what belongs to one version, besides the model's own files.

The pipeline writes it in the kernel; the supervisor keeps it and makes replicas from it.  A version
is a folder:

    manifest.json      this, as JSON
    model/             the registered artefact, as it came back from the registry
    sample.bin         wire.pack_request of the sample              (absent without a sample)
    expected.bin       wire.pack_answer of the notebook's own answers to it
    requirements.lock  the exact packages of the kernel's environment
    compiled.*         the form that is served in place of the model  (absent when served as is)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jupyter_deploy.core.compiled import AS_IS, Compiled, Trial, lines
from jupyter_deploy.core.contract import Contract

MANIFEST, MODEL, SAMPLE, EXPECTED, LOCK = (
    "manifest.json",
    "model",
    "sample.bin",
    "expected.bin",
    "requirements.lock",
)


class LoaderKind(StrEnum):
    """How a replica gets the model from the artefact."""

    SKOPS = "skops"
    """`skops.io.load(model/<file>, trusted=<trusted>)`."""
    CLOUDPICKLE = "cloudpickle"
    """An estimator or a function: `cloudpickle.load(model/<file>)`."""
    PYFUNC = "pyfunc"
    """Anything else of MLflow's: `mlflow.pyfunc.load_model(model)`."""


@dataclass(frozen=True, slots=True)
class Loader:
    """`file` is relative to model/; `function` says that the object is called itself."""

    kind: LoaderKind
    file: str = ""
    trusted: tuple[str, ...] = ()
    function: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """Where the version stands in MLflow."""

    tracking_uri: str
    name: str
    version: str
    run_id: str = ""
    source: str = ""
    #: The deploy that made it, which MLflow's tags name too.
    deploy_id: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the version or a change, and where; times are not kept here."""

    user: str
    #: "notebook", "cli", "lab", "python" or "supervisor".
    via: str
    notebook: str = ""
    cell: str = ""
    pid: int = 0
    #: When `pid` started (client.process_start): a pid alone may be given to another process.
    pid_started: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that stays with a version.

    `python` is the interpreter that replicas run with, `environment` the variables they get, and
    `digest` the SHA-256 of the model folder (`registry.digest`).
    """

    contract: Contract
    loader: Loader
    registered: RegisteredModel
    python: str
    digest: str
    environment: dict[str, str] = field(default_factory=dict)
    #: One row as the JSON body of a request that works.
    example: str | None = None
    #: Where the sample came from, in words: "frame X_train, 5282 rows".
    sample_origin: str = ""
    #: Versions of the packages that the kernel had imported, to explain a model that differs.
    packages: dict[str, str] = field(default_factory=dict)
    batchable: bool = False
    #: The compiled form that is served; None: the model as is.
    compiled: Compiled | None = None
    #: What `--compile` tried, the model as is first; empty when it was not asked for.
    trials: tuple[Trial, ...] = ()

    @property
    def form(self) -> str:
        """The form that is served."""
        return AS_IS if self.compiled is None else self.compiled.form

    def comparison(self) -> list[str]:
        """What `--compile` tried, a line for each form."""
        return lines(self.trials, self.form)
