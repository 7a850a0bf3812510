"""A version as the supervisor keeps it; tests replace what they are about."""

from __future__ import annotations

import sys

from jupyter_deploy.core.contract import Contract, Form, Tensor, Type
from jupyter_deploy.core.manifest import Loader, LoaderKind, Manifest, Origin, RegisteredModel
from jupyter_deploy.supervisor.state import Version

ORIGIN = Origin("ada", "notebook", notebook="churn.ipynb")
CONTRACT = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,)))
MANIFEST = Manifest(
    contract=CONTRACT,
    loader=Loader(LoaderKind.CLOUDPICKLE, "function.pkl", function=True),
    registered=RegisteredModel("sqlite:///x.db", "churn", "1"),
    python=sys.executable,
    digest="",
)
VERSION = Version(
    number=1,
    endpoint="churn",
    version="1.0.0",
    fate="good",
    why="",
    reason="",
    log=(),
    created_at=0.0,
    origin=ORIGIN,
    previous=None,
    replicas=1,
    timeout_seconds=30.0,
    manifest=MANIFEST,
)
