"""How slow the machine is: promised deadlines are those of an idle one, and are scaled by this."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from tests.support import wait_until

T = TypeVar("T")

#: What a fresh interpreter with NumPy takes on an idle machine of two cores.
_IDLE_SECONDS = 0.25


def slowness() -> float:
    """How many times longer than on an idle machine a fresh process takes here and now."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return max(1.0, (time.monotonic() - began) / _IDLE_SECONDS)


def wait_scaled(condition: Callable[[], T], seconds: float, measured: float = 1.0) -> T:
    """The first true value of `condition` within `seconds` of an idle machine.

    What was `measured` before may be out of date, so it is measured again before this gives up.
    """
    began = time.monotonic()
    try:
        return wait_until(condition, seconds * measured)
    except AssertionError:
        left = seconds * slowness() - (time.monotonic() - began)
        return wait_until(condition, max(0.0, left))
