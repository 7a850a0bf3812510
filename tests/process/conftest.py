"""A gateway that callers meet: a real process, real replicas, without a supervisor."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.gateways import Stack
from tests.process.served import CHURN, EXAMPLE, VECTOR, Churn, total


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.deploy("churn", CHURN, Churn(), example=json.dumps(EXAMPLE), max_body_bytes=10_000)
        stack.deploy("churn", CHURN, Churn(), version="1.1.0", active=False)
        stack.deploy("total", VECTOR, total)
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("churn", "total", "odd", "gone")
