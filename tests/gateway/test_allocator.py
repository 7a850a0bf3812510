"""What the gateway asks of the C library."""

from __future__ import annotations

import ctypes

import pytest

from jupyter_deploy.gateway.allocator import keep_large_blocks_apart


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    keep_large_blocks_apart()
