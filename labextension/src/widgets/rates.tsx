/**
 * Requests per second, p95 and the share of errors, with a line of the last minutes.
 */
import * as React from 'react';

import { sparkPoints } from '../spark';
import type { EndpointStatus } from '../types';
import { rate } from '../words';
import { useUi } from './ui';

const WIDTH = 80;
const HEIGHT = 18;

/** The button that leads to all figures. */
export function OpenDashboard(props: {
  endpoint: EndpointStatus;
}): JSX.Element {
  const { openDashboard, trans } = useUi();
  return (
    <div className="jp-Deploy-actions">
      <button
        type="button"
        className="jp-Deploy-button"
        onClick={() => openDashboard(props.endpoint.name)}
      >
        {trans.__('Open the dashboard')}
      </button>
    </div>
  );
}

export function Rates(props: { endpoint: EndpointStatus }): JSX.Element | null {
  const { trans } = useUi();
  const { recent } = props.endpoint;
  if (!recent || recent.line.length === 0) {
    return null;
  }
  const errors = recent.error_share ?? 0;
  return (
    <span className="jp-Deploy-rates">
      <span>{trans.__('%1 requests/s', rate(recent.per_second))}</span>
      {recent.p95_ms !== null && (
        <span>{trans.__('p95 %1 ms', recent.p95_ms.toFixed(1))}</span>
      )}
      {errors > 0 && (
        <span data-tone="bad">
          {trans.__('%1 % errors', (errors * 100).toFixed(1))}
        </span>
      )}
      {/* The figures beside it say the same in words. */}
      <svg
        className="jp-Deploy-spark"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        width={WIDTH}
        height={HEIGHT}
        aria-hidden="true"
      >
        <polyline points={sparkPoints(recent.line, WIDTH, HEIGHT)} />
      </svg>
    </span>
  );
}
