/**
 * The dashboard: a range, a split, the figures, and the same in a table.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { EndpointMetrics, MetricsSeries } from '../types';
import { inWords } from '../trouble';
import { milliseconds } from '../words';
import { Chart, Ground, usePalette } from './chart';
import { DashboardModel, WINDOWS } from './dashboardmodel';
import { figures, said, short, SIGNS, Split } from './figures';

interface IProps {
  readonly model: DashboardModel;
  readonly trans: TranslationBundle;
  /** The figures are those that a notebook has kept. */
  readonly still?: boolean;
  readonly ground?: Ground;
}

export function Dashboard(props: IProps): JSX.Element {
  return (
    // It hears of the model that it was made for: of another one, another has to.
    <UseSignal key={props.model.id} signal={props.model.changed}>
      {() => <Body {...props} />}
    </UseSignal>
  );
}

function Body(props: IProps): JSX.Element {
  const { model, trans, still, ground = '--jp-layout-color1' } = props;
  const { metrics, trouble, split } = model;
  const palette = usePalette(ground);
  const drawn = React.useMemo(
    () => (metrics ? figures(trans, metrics, palette, split) : []),
    [metrics, palette, split, trans]
  );
  return (
    <section className="jp-DeployDashboard-body" aria-label={model.name}>
      <header>
        <h2>{model.name}</h2>
        {metrics && <Totals told={metrics} trans={trans} />}
        <Controls {...props} />
      </header>
      {trouble && (
        <p className="jp-Deploy-strip" role="alert">
          <strong>{inWords(trans, trouble).title}</strong>{' '}
          {inWords(trans, trouble).text}
        </p>
      )}
      {still && (
        <p className="jp-Deploy-hint">
          {trans.__('As it was when the cell ran.')}
        </p>
      )}
      {!metrics && !trouble && (
        <p className="jp-Deploy-hint">{trans.__('Reading…')}</p>
      )}
      <div className="jp-DeployDashboard-figures">
        {drawn.map(figure => (
          <Chart key={figure.id} figure={figure} />
        ))}
      </div>
      {metrics && <Table told={metrics} trans={trans} />}
    </section>
  );
}

function Controls(props: IProps): JSX.Element {
  const { model, trans, still } = props;
  const splits: readonly [Split, string][] = [
    ['none', trans.__('All together')],
    ['versions', trans.__('By version')],
    ['consumers', trans.__('By consumer')]
  ];
  const windows = [...new Set([...WINDOWS, model.window])].sort(
    (a, b) => a - b
  );
  return (
    <div className="jp-DeployDashboard-controls">
      <label>
        {trans.__('Range')}
        <select
          value={model.window}
          disabled={still ?? false}
          onChange={event => {
            // The model says what went wrong.
            model.choose(Number(event.target.value)).catch(() => undefined);
          }}
        >
          {windows.map(seconds => (
            <option key={seconds} value={seconds}>
              {span(trans, seconds)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {trans.__('Show')}
        <select
          value={model.split}
          onChange={event => model.splitBy(event.target.value as Split)}
        >
          {splits.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Totals(props: {
  told: EndpointMetrics;
  trans: TranslationBundle;
}): JSX.Element {
  const { told, trans } = props;
  return (
    <p className="jp-DeployDashboard-totals">
      <span>{trans.__('%1 requests', told.requests.toLocaleString())}</span>
      {told.p95_ms !== null && (
        <span>{trans.__('p95 %1', milliseconds(told.p95_ms))}</span>
      )}
      <span title={trans.__("Answered with 4xx: the callers' own faults")}>
        {trans.__('%1 refused', told.errors_4xx.toLocaleString())}
      </span>
      <span
        data-tone={told.errors_5xx ? 'bad' : undefined}
        title={trans.__('Answered with 5xx: faults on our side')}
      >
        {trans.__('%1 failed', told.errors_5xx.toLocaleString())}
      </span>
    </p>
  );
}

/** What the figures show, for whoever reads. */
function Table(props: {
  told: EndpointMetrics;
  trans: TranslationBundle;
}): JSX.Element {
  const { told, trans } = props;
  const row = (kind: string, one: MetricsSeries) => (
    <tr key={`${kind} ${one.name}`}>
      <th scope="row">{one.name || kind}</th>
      <td>{short(sum(one.requests) * told.step_seconds)}</td>
      <td>{short(sum(one.errors_4xx) * told.step_seconds)}</td>
      <td>{short(sum(one.errors_5xx) * told.step_seconds)}</td>
      <td>{short(most(one.p95_ms))}</td>
    </tr>
  );
  return (
    <details className="jp-DeployDashboard-table">
      <summary>{trans.__('As a table')}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__('Version or consumer')}</th>
            <th scope="col">{trans.__('Requests, about')}</th>
            <th scope="col">{trans.__('Refused (4xx)')}</th>
            <th scope="col">{trans.__('Failed (5xx)')}</th>
            <th scope="col">{trans.__('Highest p95, ms')}</th>
          </tr>
        </thead>
        <tbody>
          {row(trans.__('all'), told.total)}
          {told.versions.map(one => row('version', one))}
          {told.consumers.map(one => row('consumer', one))}
        </tbody>
      </table>
      <ul>
        {told.marks.map(mark => (
          <li key={`${mark.at} ${mark.text}`}>
            {SIGNS[mark.kind]} {new Date(mark.at * 1000).toLocaleString()}{' '}
            {said(trans, mark)}
          </li>
        ))}
      </ul>
    </details>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

function most(values: readonly (number | null)[]): number | null {
  const known = values.filter((one): one is number => one !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

function span(trans: TranslationBundle, seconds: number): string {
  if (seconds % 86400 === 0) {
    return trans._n('%1 day', '%1 days', seconds / 86400);
  }
  if (seconds % 3600 === 0) {
    return trans._n('%1 hour', '%1 hours', seconds / 3600);
  }
  return trans._n('%1 minute', '%1 minutes', Math.round(seconds / 60));
}
