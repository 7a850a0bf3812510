/**
 * Requests per second, p95 and the share of errors, with a line of the last minutes.
 */
import * as React from 'react';

import { KEPT } from '../rates';
import { rate } from '../words';
import { useUi } from './ui';

const WIDTH = 80;
const HEIGHT = 18;

export function Rates(props: { name: string }): JSX.Element | null {
  const { model, trans } = useUi();
  const rates = model.rates(props.name);
  const current = rates?.perSecond[rates.perSecond.length - 1];
  if (!rates || current === undefined) {
    return null;
  }
  const errors = rates.errorShare ?? 0;
  return (
    <span className="jp-Deploy-rates">
      <span>{trans.__('%1 requests/s', rate(current))}</span>
      {rates.p95 !== null && (
        <span>{trans.__('p95 %1 ms', rates.p95.toFixed(1))}</span>
      )}
      {errors > 0 && (
        <span data-tone="bad">
          {trans.__('%1 % errors', (errors * 100).toFixed(1))}
        </span>
      )}
      <Spark values={rates.perSecond} />
    </span>
  );
}

function Spark(props: { values: readonly number[] }): JSX.Element | null {
  const { values } = props;
  const top = Math.max(...values, 0);
  if (values.length < 2 || top === 0) {
    return null;
  }
  const step = WIDTH / (KEPT - 1);
  const start = WIDTH - (values.length - 1) * step;
  const points = values.map((value, place) => {
    const y = HEIGHT - 1 - (value / top) * (HEIGHT - 2);
    return `${(start + place * step).toFixed(1)},${y.toFixed(1)}`;
  });
  // The figures beside it say the same in words.
  return (
    <svg
      className="jp-Deploy-spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <polyline points={points.join(' ')} />
    </svg>
  );
}
