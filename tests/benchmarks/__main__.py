"""`python -m tests.benchmarks`, or `python tests/benchmarks`, from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path

# The peers' own interpreters know the package as `benchmarks`, and so does everything here: a
# `tests` package in somebody's site-packages would hide ours.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.run import main

sys.exit(main())
