/**
 * The list of endpoints: what is wrong comes first.
 */
import { addIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { movedAlias, wrong } from '../attention';
import type { EndpointStatus } from '../types';
import { EndpointState } from './parts';
import { Rates } from './rates';
import { TrafficBar } from './traffic';
import { useUi } from './ui';

export function EndpointList(): JSX.Element {
  const { model, trans } = useUi();
  const { endpoints } = model;
  if (endpoints.length === 0) {
    return <NothingYet />;
  }
  return (
    <ul
      className="jp-Deploy-list"
      aria-label={trans.__('Endpoints')}
      onKeyDown={goThrough}
    >
      {endpoints.map(one => (
        <li key={one.name}>
          <Entry endpoint={one} />
        </li>
      ))}
    </ul>
  );
}

/** Arrows, Home and End go through the entries; Tab does so, too. */
function goThrough(event: React.KeyboardEvent<HTMLUListElement>): void {
  const entries = [...event.currentTarget.querySelectorAll('button')];
  const at = entries.findIndex(one => one === document.activeElement);
  const last = entries.length - 1;
  const places: Readonly<Record<string, number>> = {
    ArrowDown: Math.min(at + 1, last),
    ArrowUp: Math.max(at - 1, 0),
    Home: 0,
    End: last
  };
  const place = places[event.key];
  if (at >= 0 && place !== undefined) {
    event.preventDefault();
    entries[place]?.focus();
  }
}

function Entry(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const { endpoint } = props;
  const problem = wrong(trans, endpoint);
  return (
    <button
      type="button"
      className="jp-Deploy-entry"
      data-lands={endpoint.name}
      onClick={() => model.open(endpoint.name)}
    >
      <span className="jp-Deploy-entryHead">
        <span className="jp-Deploy-name">{endpoint.name}</span>
        <EndpointState endpoint={endpoint} />
      </span>
      {problem && <span className="jp-Deploy-wrong">{problem}</span>}
      {endpoint.moved_alias && (
        <span className="jp-Deploy-small">{movedAlias(trans, endpoint)}</span>
      )}
      {endpoint.deploying && (
        <span className="jp-Deploy-small">
          {trans.__('deploying %1…', endpoint.deploying)}
        </span>
      )}
      <TrafficBar endpoint={endpoint} />
      <Rates endpoint={endpoint} />
    </button>
  );
}

function NothingYet(): JSX.Element {
  const { actions, trans } = useUi();
  return (
    <div className="jp-Deploy-empty">
      <h3>{trans.__('Nothing is deployed yet')}</h3>
      <p>
        {trans.__(
          'Fit a model in a notebook, then deploy it from here. A cell is added to the notebook that does it, so that the notebook stays the record.'
        )}
      </p>
      <button
        type="button"
        className="jp-Deploy-button jp-mod-accept"
        data-lands=""
        onClick={() => void actions.deploy()}
      >
        <addIcon.react tag="span" width="14px" height="14px" />
        {trans.__('Deploy…')}
      </button>
    </div>
  );
}
