"""How much of requests' bodies may be open: a part of what is free, and ordinary ones always."""

from __future__ import annotations

import pytest

from jupyter_deploy.client.memory import Memory
from jupyter_deploy.errors import ShortOfMemory
from jupyter_deploy.gateway.memory import ALWAYS_BYTES, OpenBytes

GB = 1_000_000_000


def test_bodies_may_hold_a_part_of_what_is_free():
    bodies = OpenBytes(GB, lambda: Memory(8 * GB, GB // 10))
    bodies.take(12_000_000)
    with pytest.raises(ShortOfMemory):
        bodies.take(1_000_000)
    bodies.give(6_000_000)
    bodies.take(1_000_000)
    assert bodies.open == 7_000_000


def test_ordinary_bodies_are_taken_whatever_is_free():
    bodies = OpenBytes(GB, lambda: Memory(8 * GB, 0))
    bodies.take(ALWAYS_BYTES)
    with pytest.raises(ShortOfMemory):
        bodies.take(1)


def test_however_much_is_free_there_is_a_bound():
    bodies = OpenBytes(10_000_000, lambda: Memory(800 * GB, 800 * GB))
    with pytest.raises(ShortOfMemory):
        bodies.take(10_000_001)


def test_where_the_system_does_not_say_only_the_bound_holds():
    bodies = OpenBytes(10_000_000, lambda: None)
    bodies.take(10_000_000)
    with pytest.raises(ShortOfMemory):
        bodies.take(1)
