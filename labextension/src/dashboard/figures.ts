/**
 * From the figures of an endpoint to what plotly draws.  Pure: no DOM, no clock.
 *
 * Rule: every figure also has a sentence, for whoever does not see it.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { happenedWord } from '../codes';
import type {
  EndpointMetrics,
  MetricsMark,
  MetricsSeries,
  PredictionCounts
} from '../types';

/** Colours of the theme that is on, and of what is drawn on it. */
export interface IPalette {
  readonly text: string;
  readonly grid: string;
  readonly ground: string;
  readonly font: string;
  /** Distinct ones, in the order in which they are used. */
  readonly series: readonly string[];
  readonly warn: string;
  readonly bad: string;
  readonly calm: string;
}

export interface IFigure {
  readonly id: string;
  readonly title: string;
  /** What it shows, in words. */
  readonly summary: string;
  readonly data: readonly object[];
  readonly layout: object;
}

export type Split = 'none' | 'versions' | 'consumers';

interface ILine {
  readonly name: string;
  readonly values: readonly (number | null)[];
  readonly colour: string;
  readonly dash?: 'dot' | 'dash';
}

interface IChart {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly ILine[];
}

/** All figures of an endpoint, in the order in which they are shown. */
export function figures(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  split: Split = 'none'
): IFigure[] {
  const charts = [
    requests(trans, told, palette, split),
    latency(trans, told, palette, split),
    errors(trans, told, palette, split),
    queue(trans, told, palette, split)
  ];
  return [
    ...charts.map(chart => drawn(trans, told, palette, chart)),
    ...told.predictions.map(one => bars(trans, one, palette))
  ];
}

function requests(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  split: Split
): IChart {
  const lines = parts(told, split).map((one, place) => ({
    name: one.name || trans.__('all'),
    values: one.requests,
    colour: colour(palette, place)
  }));
  return { id: 'requests', title: trans.__('Requests'), unit: '/s', lines };
}

function latency(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  split: Split
): IChart {
  const title = trans.__('Time to answer');
  if (split === 'none') {
    const { p50_ms, p95_ms, p99_ms } = told.total;
    const lines = [
      { name: 'p50', values: p50_ms, colour: colour(palette, 0) },
      { name: 'p95', values: p95_ms, colour: colour(palette, 1) },
      { name: 'p99', values: p99_ms, colour: colour(palette, 2) }
    ];
    return { id: 'latency', title, unit: 'ms', lines };
  }
  const lines = parts(told, split).map((one, place) => ({
    name: trans.__('%1, p95', one.name),
    values: one.p95_ms,
    colour: colour(palette, place)
  }));
  return { id: 'latency', title, unit: 'ms', lines };
}

function errors(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  split: Split
): IChart {
  const several = parts(told, split);
  const lines = several.flatMap((one, place) => {
    const own = split === 'none' ? null : colour(palette, place);
    const name = one.name ? `${one.name}, ` : '';
    return [
      {
        name: name + trans.__('refused (4xx)'),
        values: one.errors_4xx,
        colour: own ?? palette.warn,
        dash: 'dot' as const
      },
      {
        name: name + trans.__('failed (5xx)'),
        values: one.errors_5xx,
        colour: own ?? palette.bad
      }
    ];
  });
  return { id: 'errors', title: trans.__('Errors'), unit: '/s', lines };
}

function queue(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  split: Split
): IChart {
  // Only a version has a queue and replicas.
  const several = parts(told, split === 'versions' ? split : 'none');
  const lines = several.flatMap((one, place) => {
    const name = one.name ? `${one.name}, ` : '';
    const own = colour(palette, place);
    return [
      {
        name: name + trans.__('waiting'),
        values: one.waiting,
        colour: own
      },
      {
        name: name + trans.__('replicas'),
        values: one.replicas,
        colour: split === 'versions' ? own : palette.calm,
        dash: 'dash' as const
      }
    ];
  });
  const title = trans.__('Queue and replicas');
  return { id: 'queue', title, unit: '', lines };
}

function parts(told: EndpointMetrics, split: Split): readonly MetricsSeries[] {
  const several = split === 'none' ? [] : told[split];
  return several.length > 0 ? several : [told.total];
}

function drawn(
  trans: TranslationBundle,
  told: EndpointMetrics,
  palette: IPalette,
  chart: IChart
): IFigure {
  const times = told.total.requests.map(
    (_, place) => new Date((told.start + place * told.step_seconds) * 1000)
  );
  const last = chart.lines.map(
    one => `${one.name} ${short(latest(one.values))}${chart.unit}`
  );
  return {
    id: chart.id,
    title: chart.title,
    summary: `${chart.title}: ${last.join(', ')}`,
    data: chart.lines.map(one => ({
      type: 'scatter',
      mode: 'lines',
      name: one.name,
      x: times,
      y: one.values,
      line: { color: one.colour, width: 1.5, dash: one.dash ?? 'solid' },
      hovertemplate: `%{y:.3~g} ${chart.unit}`
    })),
    layout: {
      ...frame(palette, chart.unit),
      hovermode: 'x unified',
      uirevision: `${told.name} ${told.window_seconds}`,
      xaxis: {
        ...axis(palette),
        type: 'date',
        range: [
          new Date(told.start * 1000),
          new Date((told.start + told.window_seconds) * 1000)
        ]
      },
      shapes: told.marks.map(mark => ({
        type: 'line',
        xref: 'x',
        yref: 'paper',
        x0: new Date(mark.at * 1000),
        x1: new Date(mark.at * 1000),
        y0: 0,
        y1: 1,
        line: {
          color: mark.kind === 'failure' ? palette.bad : palette.text,
          width: 1,
          dash: mark.kind === 'deploy' ? 'dash' : 'dot'
        }
      })),
      annotations: told.marks.map(mark => ({
        x: new Date(mark.at * 1000),
        y: 1,
        yref: 'paper',
        yanchor: 'bottom',
        showarrow: false,
        text: SIGNS[mark.kind],
        hovertext: said(trans, mark),
        font: {
          color: mark.kind === 'failure' ? palette.bad : palette.text,
          size: 11
        }
      }))
    }
  };
}

/** A mark in words. */
export function said(trans: TranslationBundle, mark: MetricsMark): string {
  // A figure that was saved by an older release does not tell what it was.
  return mark.what
    ? trans.__('%1: %2', happenedWord(trans, mark.what), mark.text)
    : mark.text;
}

/** What stands above the line of a mark. */
export const SIGNS = { deploy: '▲', rollback: '◀', failure: '✕' } as const;

function bars(
  trans: TranslationBundle,
  one: PredictionCounts,
  palette: IPalette
): IFigure {
  const titles = {
    classes: trans.__('%1: classes predicted', one.version),
    values: trans.__('%1: values predicted', one.version),
    probabilities: trans.__(
      '%1: probability of the positive or likeliest class',
      one.version
    )
  };
  const served = shares(one.counts);
  const baseline = shares(one.baseline);
  const bar = (name: string, y: readonly number[], color: string) => ({
    type: 'bar',
    name,
    x: one.names,
    y,
    marker: { color },
    hovertemplate: '%{y:.1%}'
  });
  const said = one.names
    .map((name, place) => ({
      name,
      now: served[place] ?? 0,
      then: baseline[place] ?? 0
    }))
    .filter(each => each.now > 0)
    .sort((a, b) => b.now - a.now)
    .slice(0, 3)
    .map(each =>
      trans.__(
        '%1 %2, baseline %3',
        each.name,
        percent(each.now),
        percent(each.then)
      )
    );
  return {
    id: `${one.of} ${one.version}`,
    title: titles[one.of],
    summary: `${titles[one.of]}: ${said.join('; ') || trans.__('nothing yet')}`,
    data: [
      bar(trans.__('served'), served, colour(palette, 0)),
      bar(trans.__('baseline'), baseline, palette.calm)
    ],
    layout: {
      ...frame(palette, ''),
      barmode: 'group',
      hovermode: 'x unified',
      xaxis: {
        ...axis(palette),
        type: 'category',
        tickvals: spread(one.names),
        tickangle: 0
      },
      yaxis: { ...axis(palette), tickformat: '.0%', rangemode: 'tozero' }
    }
  };
}

/** Some of the names, as far apart as each other, so that they have room. */
function spread(names: readonly string[]): string[] {
  const step = Math.ceil(names.length / MOST_TICKS);
  return names.filter((_, place) => place % step === 0);
}

const MOST_TICKS = 4;

function frame(palette: IPalette, unit: string) {
  return {
    height: 230,
    margin: { l: 52, r: 12, t: 18, b: 30 },
    paper_bgcolor: palette.ground,
    plot_bgcolor: palette.ground,
    font: { color: palette.text, family: palette.font, size: 11 },
    showlegend: true,
    // Below: above the plot it would hide the marks.
    legend: { orientation: 'h', y: -0.28, yanchor: 'top', x: 0 },
    hoverlabel: { bgcolor: palette.ground, font: { color: palette.text } },
    yaxis: {
      ...axis(palette),
      rangemode: 'tozero',
      ticksuffix: unit === 'ms' ? ' ms' : unit
    }
  };
}

function axis(palette: IPalette) {
  return {
    gridcolor: palette.grid,
    linecolor: palette.grid,
    zerolinecolor: palette.grid,
    automargin: true
  };
}

function colour(palette: IPalette, place: number): string {
  return palette.series[place % palette.series.length] ?? palette.text;
}

function shares(counts: readonly number[]): number[] {
  const all = counts.reduce((sum, one) => sum + one, 0);
  return counts.map(one => (all > 0 ? one / all : 0));
}

function latest(values: readonly (number | null)[]): number | null {
  return [...values].reverse().find(one => one !== null) ?? null;
}

/** A number with as many digits as are worth reading; "–" for none. */
export function short(value: number | null): string {
  return value === null ? '–' : String(Number(value.toPrecision(3)));
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
