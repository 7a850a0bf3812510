"""The table as a picture: throughput by connections, one panel for each model.

It runs in the environment "ours", which has matplotlib:
`python -m benchmarks.plot RESULTS.json PICTURE.png`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.table import COMPILED, LIMIT, OURS, Results, cell_of, clean

COLOURS = ("#7f7f7f", "#8c564b", "#9467bd", "#2ca02c", "#1f77b4", "#e377c2", "#17becf")


def main(results_file: Path, picture: Path) -> None:
    """Draw it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    results: Results = json.loads(results_file.read_text())
    models = [name for name in results["models"] if _has_points(results, name)]
    if not models:
        return
    figure, panels = pyplot.subplots(
        1, len(models), figsize=(max(9.0, 4.4 * len(models)), 4.8), squeeze=False, sharey=True
    )
    for panel, model in zip(panels[0], models, strict=True):
        _draw(panel, results, model)
    panels[0][0].set_ylabel("requests per second")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=len(labels), frameon=False, fontsize=8)
    machine = results["machine"]
    figure.suptitle(
        f"One-row predictions, {results['date']}, {machine['processor']}, {machine['cores']} cores"
    )
    figure.tight_layout(rect=(0, 0.07, 1, 0.98))
    figure.savefig(picture, dpi=110)


def _has_points(results: Results, model: str) -> bool:
    cells = [cell for cell in results["cells"] if cell["model"] == model]
    return any(clean(load) for cell in cells for load in cell["loads"].values())


def _draw(panel: Any, results: Results, model: str) -> None:
    for number, (peer, about) in enumerate(results["peers"].items()):
        cell = cell_of(results, peer, model)
        loads = cell["loads"] if cell else {}
        points = [(int(c), load["requests_per_second"]) for c, load in loads.items() if clean(load)]
        ours = peer in (OURS, COMPILED)
        panel.plot(
            [connections for connections, _ in points],
            [rate for _, rate in points],
            marker="o",
            color="#d62728" if ours else COLOURS[number % len(COLOURS)],
            linewidth=2.6 if ours else 1.4,
            linestyle={LIMIT: "--", COMPILED: ":"}.get(peer, "-"),
            label=about["title"],
        )
    panel.set_title(results["models"][model]["title"], fontsize=9, wrap=True)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    connections = results["plan"]["connections"]
    panel.set_xticks(connections, [str(c) for c in connections])
    panel.set_xlabel("connections")
    panel.grid(visible=True, which="major", alpha=0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
