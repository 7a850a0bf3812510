"""What it costs to open the sidebar: `python -m tests.benchmarks.opening`.

Each round loads JupyterLab anew in a browser of its own, clicks the sidebar's tab for the first
time, and asks the browser over DevTools what it did from there until the list was painted with what
the server said after the click.  The server is a real one but for its list of endpoints, which is
made up: what they do costs the server, not the page.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.madeup import status
from tests.browser.lab import Lab, chromium, missing

STATUS = "**/jupyter-deploy/api/status*"
TAB = "li[data-id='jupyterlab-deploy-panel']"
#: What Chromium counts: seconds of its main thread.
COUNTED = {
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
    "all tasks": "TaskDuration",
}
PAINTED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
#: Lab goes on for a while after it says that it is there.
IDLE = "() => new Promise(done => requestIdleCallback(done, {timeout: 10000}))"


def main() -> None:
    """Open it again and again, and print what that cost."""
    asked = _arguments()
    if reason := missing():
        raise SystemExit(reason)
    rounds = []
    with _lab() as lab:
        for number in range(asked.rounds):
            rounds.append(opened(lab, asked.endpoints))
            print(f"{number + 1:3}", _in_words(rounds[-1]), flush=True)
    for name, of in (("median", statistics.median), ("worst", max)):
        print(f"{name:>7}", _in_words({key: of([one[key] for one in rounds]) for key in COUNTED}))


def opened(lab: Lab, endpoints: int) -> dict[str, float]:
    """Milliseconds by what they went to, from a click on the tab to the list that it shows."""
    with chromium() as context:
        page = context.new_page()
        page.route(STATUS, lambda route: route.fulfill(json=status(endpoints, time.time())))
        page.goto(lab.address("lab"))
        page.wait_for_function("window.jupyterapp?.restored", timeout=60_000)
        page.evaluate("window.jupyterapp.restored")
        page.wait_for_load_state("networkidle")
        page.evaluate(IDLE)
        devtools = context.new_cdp_session(page)
        devtools.send("Performance.enable")
        before = _counted(devtools)
        with page.expect_response(STATUS):
            page.locator(TAB).click()
        page.locator(".jp-Deploy-list > li").nth(endpoints - 1).wait_for()
        page.evaluate(PAINTED)
        page.evaluate(PAINTED)
        after = _counted(devtools)
    return {key: 1000 * (after[name] - before[name]) for key, name in COUNTED.items()}


def _counted(devtools: Any) -> dict[str, float]:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return {one["name"]: one["value"] for one in metrics}


def _in_words(milliseconds: dict[str, float]) -> str:
    return "  ".join(f"{key} {value:6.1f} ms" for key, value in milliseconds.items())


@contextlib.contextmanager
def _lab() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_DEPLOY_HOME"] = str(Path(folder) / "home")
        lab = Lab(Path(folder) / "lab", autostart=False)
        try:
            yield lab
        finally:
            lab.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--endpoints", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
