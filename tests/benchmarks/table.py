"""Results as one table in markdown.

Rule 1: a ratio stands beside each throughput: ours to the best peer's in the same column, so that a
slow day changes nothing.  Rule 2: a cell with an error is marked and is nobody's best.  Rule 3: the
table says when, where, with which versions and which settings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Results = dict[str, Any]
LIMIT, OURS, COMPILED = "echo", "ours", "compiled"
#: Not peers, so that no ratio is taken to them.
_OWN = (LIMIT, OURS, COMPILED)


def markdown(results: Results) -> str:
    """The whole report."""
    parts = [_head(results)]
    parts += [_model(results, name) for name in results["models"]]
    parts += [_confirmed(results), _deploys(results), _settings(results), _problems(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def ratio(results: Results, model: str, connections: str) -> float | None:
    """Our throughput to the best peer's, in one column; None where one of them is missing."""
    ours = throughput(results, OURS, model, connections)
    best = best_peer(results, model, connections)
    return ours / best if ours and best else None


def best_peer(results: Results, model: str, connections: str) -> float | None:
    """The highest clean throughput of a real peer (not the echo, none of ours)."""
    peers = [name for name in results["peers"] if name not in _OWN]
    found = [throughput(results, name, model, connections) for name in peers]
    return max((rate for rate in found if rate), default=None)


def throughput(results: Results, peer: str, model: str, connections: str) -> float | None:
    """Requests per second of a cell without errors, or None."""
    cell = cell_of(results, peer, model)
    load = cell["loads"].get(connections) if cell else None
    return load["requests_per_second"] if load and clean(load) else None


def cell_of(results: Results, peer: str, model: str) -> dict[str, Any] | None:
    """What `peer` showed with `model`."""
    for cell in results["cells"]:
        if (cell["peer"], cell["model"]) == (peer, model):
            found: dict[str, Any] = cell
            return found
    return None


def clean(load: dict[str, Any]) -> bool:
    """Every request of the cell was answered with 2xx."""
    return bool(load["requests"]) and not load["not_2xx"] and not load["failed"]


def _head(results: Results) -> str:
    machine, plan = results["machine"], results["plan"]
    return (
        "# Throughput and latency of one-row predictions\n\n"
        f"{results['date']}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB, {machine['system']}, Python {machine['python']}; "
        f"load from wrk on the same machine, 1 thread, {plan['seconds']} s a cell after "
        f"{plan['warm_up_seconds']} s of warm-up, {results['rows']} different rows in turn, one "
        f"worker each. `x` is the ratio to the best peer in the same column; `!` marks a cell in "
        f"which a request failed or was not answered with 2xx."
    )


def _model(results: Results, model: str) -> str:
    columns = list(map(str, results["plan"]["connections"]))
    ends = list(dict.fromkeys((columns[0], columns[-1])))
    middle = "64" if "64" in columns else columns[-1]
    shown = list(dict.fromkeys((ends[0], middle)))
    head = [
        "",
        *(f"req/s at {c}" for c in columns),
        *(f"p50 / p99 ms at {c}" for c in shown),
        "start s",
        "MB idle / loaded",
        "idle CPU %",
    ]
    rows = [_row(results, peer, model, columns, shown) for peer in results["peers"]]
    title = f"## {results['models'][model]['title']}"
    return "\n\n".join((title, _grid(head, rows), _in_process(results, model)))


def _row(
    results: Results, peer: str, model: str, columns: list[str], shown: list[str]
) -> list[str]:
    about, cell = results["peers"][peer], cell_of(results, peer, model)
    name = f"{about['title']} {about['version']}".strip()
    if cell is None or not cell["loads"]:
        return [name, *("-" for _ in range(len(columns) + len(shown) + 3))]
    loads = cell["loads"]
    return [
        f"**{name}**" if peer in (OURS, COMPILED) else name,
        *(_rate(results, loads.get(c), model, c) for c in columns),
        *(_latency(loads.get(c)) for c in shown),
        _number(cell["start_seconds"], 1),
        f"{_number(cell['idle_memory_mb'])} / {_number(cell['loaded_memory_mb'])}",
        _number(cell["idle_cpu_percent"], 1),
    ]


def _rate(results: Results, load: dict[str, Any] | None, model: str, connections: str) -> str:
    if load is None:
        return "-"
    text = f"{load['requests_per_second']:,.0f}"
    if not clean(load):
        return f"{text} !"
    best = best_peer(results, model, connections)
    return f"{text} ({load['requests_per_second'] / best:.2g}x)" if best else text


def _latency(load: dict[str, Any] | None) -> str:
    if load is None:
        return "-"
    return f"{load['p50_ms']:.2f} / {load['p99_ms']:.2f}"


def _in_process(results: Results, model: str) -> str:
    times = results["models"][model]["in_process"]
    text = f"The model call in process: {times['frame_p50']:.2f} ms with a frame"
    if times["array_p50"] is not None:
        text += f", {times['array_p50']:.2f} ms with an array"
    text += f" (p99 {times['frame_p99']:.2f} ms)."
    ours = cell_of(results, OURS, model)
    alone = ours["loads"].get("1") if ours else None
    if alone:
        added = alone["p50_ms"] - times["frame_p50"]
        tail = alone["p99_ms"] - times["frame_p99"]
        text += f"  One connection to ours adds {added:+.2f} ms (p50), {tail:+.2f} ms (p99)."
    return text


def _confirmed(results: Results) -> str:
    cells = [cell for cell in results["cells"] if cell["confirmed"]]
    if not cells:
        return ""
    rows = []
    for cell in cells:
        for connections, rate in cell["confirmed"].items():
            by_wrk = cell["loads"].get(connections)
            seen = f"{by_wrk['requests_per_second']:,.0f}" if by_wrk else "-"
            title = results["peers"][cell["peer"]]["title"]
            rows.append([title, cell["model"], connections, seen, f"{rate:,.0f}"])
    head = ["", "model", "connections", "wrk req/s", "h2load req/s"]
    return "## Confirmed by a second generator\n\n" + _grid(head, rows)


def _deploys(results: Results) -> str:
    cells = [cell for cell in results["cells"] if cell["extra"]]
    if not cells:
        return ""
    names = list(cells[0]["extra"])
    rows = [[_deployed(cell), *(f"{cell['extra'][name]:.1f}" for name in names)] for cell in cells]
    head = ["seconds", *(name.replace("_", " ") for name in names)]
    return "## deploy\n\n" + _grid(head, rows)


def _deployed(cell: dict[str, Any]) -> str:
    model: str = cell["model"]
    return f"{model}, compiled" if cell["peer"] == COMPILED else model


def _settings(results: Results) -> str:
    lines = [
        f"* {about['title']} {about['version']}: {about['settings']}."
        for about in results["peers"].values()
    ]
    common = ", ".join(f"{name} {version}" for name, version in results["common"].items())
    return "\n".join(
        ("## Settings", "", *lines, f"* In every environment: {common}; one thread per library.")
    )


def _problems(results: Results) -> str:
    lines = [
        f"* {results['peers'][cell['peer']]['title']}, {cell['model']}: {cell['problem']}"
        for cell in results["cells"]
        if cell["problem"]
    ]
    lines += [f"* {note}" for note in results["notes"]]
    return "\n".join(("## What is missing", "", *lines)) if lines else ""


def _grid(head: list[str], rows: Iterable[list[str]]) -> str:
    line = "|".join("---" if number == 0 else "---:" for number in range(len(head)))
    cells = [" | ".join(row) for row in ([*head], *rows)]
    return "\n".join((f"| {cells[0]} |", f"|{line}|", *(f"| {row} |" for row in cells[1:])))


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
