/**
 * The bar that shows which versions get which share of the requests.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { urgency } from '../attention';
import { IShare, label, sentence, shares } from '../traffic';
import type { EndpointStatus } from '../types';
import type { Tone } from '../words';
import { useUi } from './ui';

export function TrafficBar(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  const found = shares(endpoint);
  if (endpoint.active === null) {
    return <span className="jp-Deploy-small">{whyNone(trans, endpoint)}</span>;
  }
  const words = found.map(one => sentence(trans, one));
  return (
    <span className="jp-Deploy-traffic" title={words.join('\n')}>
      <span className="jp-Deploy-unseen">{words.join(' ')}</span>
      {found.map(one => (
        <span
          key={one.version}
          className="jp-Deploy-share"
          // What takes no part in the answers is only as wide as its words.
          style={{ flexGrow: one.role === 'shadow' ? 0 : one.percent }}
          data-role={one.role}
          data-tone={toneOf(endpoint, one)}
          aria-hidden="true"
        >
          <span className="jp-Deploy-version">{one.version}</span>
          <span>{label(trans, one)}</span>
        </span>
      ))}
    </span>
  );
}

function toneOf(endpoint: EndpointStatus, share: IShare): Tone {
  switch (share.role) {
    case 'active': {
      const tones: Record<string, Tone> = { down: 'bad', failing: 'warn' };
      return tones[urgency(endpoint)] ?? 'good';
    }
    case 'canary':
      return 'busy';
    case 'shadow':
    case 'standby':
      return 'calm';
  }
}

function whyNone(trans: TranslationBundle, endpoint: EndpointStatus): string {
  const kept = endpoint.versions.length;
  return kept === 0
    ? trans.__('no version yet')
    : trans._n(
        'no traffic; %1 version is kept',
        'no traffic; %1 versions are kept',
        kept
      );
}
