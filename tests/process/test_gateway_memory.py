"""How much memory large bodies take in the gateway, and how much of it stays."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from jupyter_deploy.core.contract import Contract, Form, Output, Tensor, Type
from tests.gateways import Stack

WIDTH, ROWS = 30, 24_000
ARRAY = Contract(
    Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (WIDTH,)), output=Output(Type.FLOAT)
)
CONNECTIONS = 4


def first(x):
    return x[:, 0]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with contextlib.closing(Stack()) as stack:
        stack.deploy("array", ARRAY, first)
        yield stack


def resident(stack: Stack) -> int:
    return psutil.Process(stack.gateway.pid).memory_info().rss


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others keep no large blocks")
def test_a_burst_of_large_bodies_leaves_nothing_behind(stack):
    rows = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).tolist()
    tensor = {"name": "x", "shape": [ROWS, WIDTH], "datatype": "FP64", "data": rows}
    bodies = {
        "/endpoints/array/invocations": json.dumps({"inputs": rows}),
        "/v2/models/array/infer": json.dumps({"inputs": [tensor]}),
    }
    headers = {"X-API-Key": stack.key("array"), "Content-Type": "application/json"}

    def call(path: str) -> int:
        return stack.client.post(path, content=bodies[path], headers=headers).status_code

    few = json.dumps({"inputs": rows[:1]})
    stack.client.post("/endpoints/array/invocations", content=few, headers=headers)
    before = resident(stack)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        assert set(pool.map(call, list(bodies) * CONNECTIONS * 3)) == {200}
    # A body has 14 MB.
    assert resident(stack) - before < 30e6
