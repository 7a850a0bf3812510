"""The codes of what happens: closed lists, so that whoever shows one can have words for each."""

from __future__ import annotations

from typing import Literal

#: What somebody does to an endpoint: it stands in the audit trail.
Action = Literal[
    "alias-put-back",
    "deployed",
    "key-created",
    "key-revoked",
    "key-rotated",
    "promoted",
    "rolled-back",
    "staged",
    "stopped",
    "undeployed",
    "upgraded",
    "version-failed",
]

#: What happens by itself: it stands in the journal, beside the actions.
Happening = Literal[
    "adopted",
    "alias-moved",
    "alias-settled",
    "connections-refused",
    "deploy-failed",
    "files-lost",
    "files-restored",
    "gateway-ended",
    "gateway-hung",
    "gateway-silent",
    "handed-over",
    "memory-enough",
    "memory-short",
    "port-in-use",
    "registry-away",
    "registry-back",
    "replica-answers",
    "replica-ended",
    "replica-hung",
    "replica-ready",
    "replica-silent",
    "replica-unknown",
    "replica-waits",
    "scaled",
    "state-recovered",
    "upgrade-failed",
    "version-failing",
]
