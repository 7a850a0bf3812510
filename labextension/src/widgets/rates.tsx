/**
 * Replicas, requests per second, p95 and the share of errors, with a line of the last minutes.
 */
import * as React from 'react';

import { sparkPoints } from '../spark';
import type { EndpointStatus, Recent } from '../types';
import {
  milliseconds,
  percent,
  rate,
  refusedShare,
  replicaCount
} from '../words';
import { useUi } from './ui';

const WIDTH = 64;
const HEIGHT = 18;

export function Rates(props: { endpoint: EndpointStatus }): JSX.Element | null {
  const { endpoint } = props;
  if (endpoint.active === null) {
    return null;
  }
  const { recent } = endpoint;
  const quiet = !recent || recent.line.length === 0;
  return (
    <span className="jp-Deploy-rates">
      <span className="jp-Deploy-figures">
        <Ready endpoint={endpoint} />
        {quiet ? <Quiet /> : <Figures recent={recent} />}
      </span>
      {!quiet && <Spark line={recent.line} />}
    </span>
  );
}

function Ready(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const [ready, all] = replicaCount(props.endpoint);
  return ready < all ? (
    <span data-tone="bad">
      {trans.__('%1 of %2 replicas ready', ready, all)}
    </span>
  ) : (
    <span>{trans._n('%1 replica', '%1 replicas', all)}</span>
  );
}

function Quiet(): JSX.Element {
  const { trans } = useUi();
  return <span>{trans.__('no requests lately')}</span>;
}

function Figures(props: { recent: Recent }): JSX.Element {
  const { trans } = useUi();
  const { recent } = props;
  return (
    <>
      <span>{trans.__('%1 requests/s', rate(recent.per_second))}</span>
      {recent.p95_ms !== null && (
        <span>{trans.__('p95 %1', milliseconds(recent.p95_ms))}</span>
      )}
      <Faults recent={recent} />
    </>
  );
}

/** Ours are failures and red; callers' own faults are refusals and nothing to worry about. */
function Faults(props: { recent: Recent }): JSX.Element | null {
  const { trans } = useUi();
  const { recent } = props;
  const failed = recent.failed_share ?? 0;
  const refused = refusedShare(recent);
  if (recent.error_share === null) {
    return null;
  }
  return (
    <>
      {failed === 0 && refused === 0 && <span>{trans.__('no errors')}</span>}
      {failed > 0 && (
        <span
          data-tone="bad"
          title={trans.__('Answered with 5xx: faults on our side')}
        >
          {trans.__('%1 failed', percent(failed))}
        </span>
      )}
      {refused > 0 && (
        <span title={trans.__("Answered with 4xx: the callers' own faults")}>
          {trans.__('%1 refused', percent(refused))}
        </span>
      )}
    </>
  );
}

/** The figures beside it say the same in words. */
function Spark(props: { line: readonly number[] }): JSX.Element {
  return (
    <svg
      className="jp-Deploy-spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <polyline points={sparkPoints(props.line, WIDTH, HEIGHT)} />
    </svg>
  );
}
