"""Every error that a person can meet, with its code, its HTTP status, one sentence and a way out.

Rule 1: an error is raised with data; the sentence is built here, in the words of the person who
reads it.  Rule 2: `detail` says what happened and why, `fix` says what to do.  Rule 3: neither ever
holds a secret, a stack trace or a row of somebody's data.

    DeployError
    |-- UsageError            400  the command or the call is wrong          (ValueError)
    |   |-- InvalidName, InvalidVersion, InvalidRate, NotFitted, NotAModel, SampleMismatch, ...
    |-- NotFound              404  no such endpoint, version, key            (LookupError)
    |-- Conflict              409  somebody or something was there first
    |   |-- DeployInProgress, VersionExists, StaleGeneration, NothingToRollBackTo
    |-- DeployFailed          422  a step of a deploy failed; what served goes on serving
    |   |-- NotReproduced, ReplicaFailed, PackageFailed
    |-- UpgradeFailed         500  new code does not come up; what ran before goes on
    |-- Unavailable           503  the supervisor, its state or the registry is not there (OSError)
    |-- RequestError               what a caller of the API can be told
        |-- BadInput 400, Unauthorized 401, Forbidden 403, UnknownRoute 404, MethodNotAllowed 405,
        |-- TooLarge 413, TooManyValues 413, UnsupportedMedia 415, OverLimit 429,
        |-- ModelFailed 500, Poisonous 500, GatewayFailed 500,
        |-- NoReplica 503, Overloaded 503, ShortOfMemory 503, DeadlineExceeded 504
"""

from __future__ import annotations

from jupyter_deploy.errors.base import (
    PROBLEM_TYPE,
    DeployError,
)
from jupyter_deploy.errors.changes import (
    Conflict,
    DeployInProgress,
    NotFound,
    NothingToRollBackTo,
    StaleGeneration,
    VersionExists,
)
from jupyter_deploy.errors.deploys import (
    DeployFailed,
    NotReproduced,
    PackageFailed,
    RegistryUnavailable,
    ReplicaFailed,
    StateUnavailable,
    SupervisorUnavailable,
    Unavailable,
    UpgradeFailed,
)
from jupyter_deploy.errors.requests import (
    AmbiguousField,
    BadInput,
    DeadlineExceeded,
    Forbidden,
    GatewayFailed,
    HeadTooLarge,
    HostMissing,
    MethodNotAllowed,
    ModelFailed,
    NoReplica,
    OverLimit,
    Overloaded,
    Poisonous,
    RequestError,
    RequestTimeout,
    ShortOfMemory,
    TooLarge,
    TooManyValues,
    Unauthorized,
    UnknownRoute,
    UnsupportedCoding,
    UnsupportedMedia,
)
from jupyter_deploy.errors.usage import (
    ExpressionFailed,
    InvalidDuration,
    InvalidName,
    InvalidRate,
    InvalidVersion,
    NotAModel,
    NotFitted,
    SampleMismatch,
    UnsupportedPlatform,
    UsageError,
)

__all__ = [
    "PROBLEM_TYPE",
    "AmbiguousField",
    "BadInput",
    "Conflict",
    "DeadlineExceeded",
    "DeployError",
    "DeployFailed",
    "DeployInProgress",
    "ExpressionFailed",
    "Forbidden",
    "GatewayFailed",
    "HeadTooLarge",
    "HostMissing",
    "InvalidDuration",
    "InvalidName",
    "InvalidRate",
    "InvalidVersion",
    "MethodNotAllowed",
    "ModelFailed",
    "NoReplica",
    "NotAModel",
    "NotFitted",
    "NotFound",
    "NotReproduced",
    "NothingToRollBackTo",
    "OverLimit",
    "Overloaded",
    "PackageFailed",
    "Poisonous",
    "RegistryUnavailable",
    "ReplicaFailed",
    "RequestError",
    "RequestTimeout",
    "SampleMismatch",
    "ShortOfMemory",
    "StaleGeneration",
    "StateUnavailable",
    "SupervisorUnavailable",
    "TooLarge",
    "TooManyValues",
    "Unauthorized",
    "Unavailable",
    "UnknownRoute",
    "UnsupportedCoding",
    "UnsupportedMedia",
    "UnsupportedPlatform",
    "UpgradeFailed",
    "UsageError",
    "VersionExists",
]
