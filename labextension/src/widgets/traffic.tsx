/**
 * The bar that shows which versions get which share of the requests.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { IShare, shares } from '../traffic';
import type { EndpointStatus } from '../types';
import { useUi } from './ui';

export function TrafficBar(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  const found = shares(endpoint);
  const taking = found.filter(one => one.percent > 0);
  if (taking.length === 0) {
    return (
      <span className="jp-Deploy-small">
        {trans._n(
          'no traffic; %1 version is kept',
          'no traffic; %1 versions are kept',
          endpoint.versions.length
        )}
      </span>
    );
  }
  return (
    <span className="jp-Deploy-traffic" title={inWords(trans, found)}>
      {taking.map(one => (
        <span
          key={one.version}
          className="jp-Deploy-share"
          style={{ flexGrow: one.percent }}
          data-tone={endpoint.state === 'serving' ? 'good' : 'bad'}
        >
          <span className="jp-Deploy-version">{one.version}</span>
          <span>{`${one.percent} %`}</span>
        </span>
      ))}
      {found
        .filter(one => one.percent === 0)
        .map(one => (
          <span key={one.version} className="jp-Deploy-share" data-tone="calm">
            <span className="jp-Deploy-version">{one.version}</span>
            <span>{trans.__('warm')}</span>
          </span>
        ))}
    </span>
  );
}

function inWords(trans: TranslationBundle, found: readonly IShare[]): string {
  return found
    .map(one =>
      one.percent > 0
        ? trans.__('%1 gets %2 % of the requests', one.version, one.percent)
        : trans.__('%1 is warm, without traffic', one.version)
    )
    .join('\n');
}
