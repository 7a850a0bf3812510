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
      <span className="jp-Deploy-shares" aria-hidden="true">
        {found.map(one => (
          <span key={one.version} {...look(endpoint, one)}>
            <span className="jp-Deploy-version">{one.version}</span>
            <span>{label(trans, one)}</span>
          </span>
        ))}
      </span>
      <span className="jp-Deploy-bar" aria-hidden="true">
        {found.filter(isAnswering).map(one => (
          <span
            key={one.version}
            {...look(endpoint, one)}
            style={{ flexGrow: one.percent }}
          />
        ))}
      </span>
    </span>
  );
}

/** Whether a version's answers go to those who ask: only these are parts of the whole. */
function isAnswering(share: IShare): boolean {
  return share.role === 'active' || share.role === 'canary';
}

function look(endpoint: EndpointStatus, share: IShare) {
  return { 'data-role': share.role, 'data-tone': toneOf(endpoint, share) };
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
