"""The figures of an endpoint as pictures: SVG, without a script.

Rule 1: pure; the same document gives the same picture.  Rule 2: each is an image with its data in
it: of a notebook that is not trusted JupyterLab shows images, and removes SVG that is part of the
HTML.  So no theme reaches it: its colours can be read on light and on dark.  Rule 3: every figure
says in words what it shows.  Rule 4: small, because it is saved.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from jupyter_deploy.client.figures import EndpointMetrics, MetricsMark, PredictionCounts
from jupyter_deploy.notebook import card as render
from jupyter_deploy.notebook import cards, palette

#: JupyterLab with our extension draws this live; `text/html` beside it is what all others show.
MIME = "application/vnd.jupyter-deploy.metrics+json"

WIDTH, HEIGHT = 360, 110
_LEFT, _TOP, _BOTTOM = 44, 8, 18
#: More points than these cannot be told apart at this width.
_POINTS = 150
_CSS = """
.jdf{display:flex;flex-wrap:wrap;gap:12px 20px;margin-top:12px;
font:12px/1.4 var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color1,currentColor)}
.jdf figure{margin:0}.jdf figcaption{font-weight:600}.jdf img{display:block}
.jdf i{font-style:normal;font-weight:400;margin-left:8px;white-space:nowrap}
.jdf i span{font-weight:700}
"""
_PICTURE_CSS = (
    "text{font:10px sans-serif;fill:#7a7a7a}"
    f".g{{stroke:{palette.GRID}}}"
    f".m{{stroke:{palette.CALM};stroke-dasharray:1 3}}.m.deploy{{stroke-dasharray:4 3}}"
    f".m.failure{{stroke:{palette.BAD}}}"
)
_DOTTED, _DASHED = "1.5 3", "6 3"

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    values: Values
    colour: str
    dash: str = ""


@dataclass(frozen=True, slots=True)
class _Figure:
    title: str
    unit: str
    lines: tuple[_Line, ...]


def html(told: EndpointMetrics) -> str:
    """The totals, and below them the figures."""
    drawn = [_drawn(told, figure) for figure in _figures(told)]
    drawn += [_bars(one) for one in told.predictions]
    card = render.html(cards.metrics(told))
    return f'{card}<style>{_CSS}</style><div class="jdf">{"".join(drawn)}</div>'


def _figures(told: EndpointMetrics) -> Iterator[_Figure]:
    all_ = told.total
    yield _Figure("Requests", "/s", _lines(("all", all_.requests)))
    times = (("p50", all_.p50_ms), ("p95", all_.p95_ms), ("p99", all_.p99_ms))
    yield _Figure("Time to answer", "ms", _lines(*times))
    theirs = _Line("refused (4xx)", all_.errors_4xx, palette.WARN, _DOTTED)
    ours = _Line("failed (5xx)", all_.errors_5xx, palette.BAD)
    yield _Figure("Errors", "/s", (theirs, ours))
    replicas = _Line("replicas", all_.replicas, palette.CALM, _DASHED)
    yield _Figure("Queue and replicas", "", (*_lines(("waiting", all_.waiting)), replicas))
    for title, several in (("Versions", told.versions), ("Consumers", told.consumers)):
        if len(several) > 1:
            lines = _lines(*((one.name, one.requests) for one in several[:3]))
            yield _Figure(f"{title}: requests", "/s", lines)


def _lines(*named: tuple[str, Values]) -> tuple[_Line, ...]:
    return tuple(
        _Line(name, values, colour)
        for (name, values), colour in zip(named, palette.SERIES, strict=False)
    )


def _drawn(told: EndpointMetrics, figure: _Figure) -> str:
    top = max((v for line in figure.lines for v in line.values if v is not None), default=0.0)
    top = top or 1.0
    words = ", ".join(f"{one.name} {_last(one.values)} {figure.unit}" for one in figure.lines)
    lines = "".join(
        f'<path d="{_path(one.values, top)}" fill="none" stroke="{one.colour}" stroke-width="1.5"'
        f' stroke-dasharray="{one.dash or "none"}"/>'
        for one in figure.lines
    )
    legend = "".join(_named(one.name, one.colour, one.dash) for one in figure.lines)
    picture = _picture(
        f"{figure.title}: now {words}", f"{_axes(told, top, figure.unit)}{_marks(told)}{lines}"
    )
    return f"<figure><figcaption>{figure.title}{legend}</figcaption>{picture}</figure>"


def _named(name: str, colour: str, dash: str = "") -> str:
    """An entry of a legend: the line as it is drawn, and its name in the ink of the page."""
    sign = {_DOTTED: "┈", _DASHED: "╌"}.get(dash, "━")
    return f' <i><span style="color:{colour}">{sign}</span> {escape(name)}</i>'


def _picture(words: str, drawn: str) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><style>{_PICTURE_CSS}</style>{drawn}</svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img width="{WIDTH}" height="{HEIGHT}" alt="{escape(words)}" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def _path(values: Values, top: float) -> str:
    found = _thinned(values)
    step = (WIDTH - _LEFT) / max(1, len(found) - 1)
    parts, pen = [], "M"
    for place, value in enumerate(found):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_LEFT + place * step:.1f} {_y(value / top):.1f}")
        pen = "L"
    return "".join(parts)


def _thinned(values: Values) -> list[float | None]:
    """At most _POINTS values: of each few neighbours the greatest, so that no peak is lost."""
    width = -(-len(values) // _POINTS) or 1
    groups = (values[start : start + width] for start in range(0, len(values), width))
    return [max((v for v in group if v is not None), default=None) for group in groups]


def _axes(told: EndpointMetrics, top: float, unit: str) -> str:
    end = told.start + told.step_seconds * len(told.total.requests)
    low, high = HEIGHT - _BOTTOM, _TOP
    return (
        f'<path class="g" d="M{_LEFT} {low}H{WIDTH}M{_LEFT} {high}H{WIDTH}"/>'
        f'<text x="{_LEFT - 4}" y="{high + 4}" text-anchor="end">{_short(top)}{unit}</text>'
        f'<text x="{_LEFT - 4}" y="{low}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}">{_clock(told.start, told.window_seconds)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">'
        f"{_clock(end, told.window_seconds)}</text>"
    )


def _marks(told: EndpointMetrics) -> str:
    length = told.step_seconds * len(told.total.requests)
    drawn = []
    for mark in told.marks[-20:]:
        x = _LEFT + (mark.at - told.start) / length * (WIDTH - _LEFT)
        drawn.append(
            f'<path class="m {mark.kind}" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}">'
            f"<title>{escape(_said(mark))}</title></path>"
        )
    return "".join(drawn)


def _said(mark: MetricsMark) -> str:
    return f"{mark.what.replace('-', ' ')}: {mark.text}".removeprefix(": ")


def _bars(one: PredictionCounts) -> str:
    names = one.names[:24]
    served, base = _shares(one.counts[:24]), _shares(one.baseline[:24])
    top = max((*served, *base, 0.01))
    width = (WIDTH - _LEFT) / max(1, len(names))
    drawn = []
    for place, (name, now, then) in enumerate(zip(names, served, base, strict=True)):
        x = _LEFT + place * width
        title = escape(f"{name}: {now:.1%}, baseline {then:.1%}")
        for share, colour, shift in (
            (now, palette.SERIES[0], 0.1),
            (then, palette.CALM, 0.5),
        ):
            y = _y(share / top)
            drawn.append(
                f'<rect x="{x + shift * width:.1f}" y="{y:.1f}" width="{width * 0.4:.1f}" '
                f'height="{HEIGHT - _BOTTOM - y:.1f}" fill="{colour}"><title>{title}</title></rect>'
            )
    low = HEIGHT - _BOTTOM
    picture = _picture(
        f"{one.of} that {one.version} predicted, beside its baseline",
        f'<path class="g" d="M{_LEFT} {low}H{WIDTH}"/>'
        f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{top:.0%}</text>{"".join(drawn)}'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}">{escape(names[0][:20]) if names else ""}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">'
        f"{escape(names[-1][:20]) if names else ''}</text>",
    )
    return (
        f"<figure><figcaption>{escape(one.version)}: predicted {one.of}"
        f"{_named('served', palette.SERIES[0])}{_named('baseline', palette.CALM)}"
        f"</figcaption>{picture}</figure>"
    )


def _shares(counts: Sequence[int]) -> list[float]:
    every = sum(counts)
    return [count / every if every else 0.0 for count in counts]


def _y(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)


def _last(values: Values) -> str:
    known = [value for value in values if value is not None]
    return _short(known[-1]) if known else "none"


def _short(value: float) -> str:
    """A number as narrow as the room beside an axis: "0.25", "2.5k"."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _clock(at: float, window: float) -> str:
    return time.strftime("%d %b %H:%M" if window > 86_400 else "%H:%M:%S", time.localtime(at))
