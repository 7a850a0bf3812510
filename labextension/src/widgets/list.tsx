/**
 * The list of endpoints: what is wrong comes first.
 */
import { addIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { EndpointStatus } from '../types';
import { movedAlias, replicaCount, wrong } from '../words';
import { Rates } from './rates';
import { State } from './parts';
import { useUi } from './ui';

export function EndpointList(): JSX.Element {
  const { model, trans } = useUi();
  const { endpoints } = model;
  if (endpoints.length === 0) {
    return <NothingYet />;
  }
  return (
    <ul className="jp-Deploy-list" aria-label={trans.__('Endpoints')}>
      {endpoints.map(one => (
        <li key={one.name}>
          <Entry endpoint={one} />
        </li>
      ))}
    </ul>
  );
}

function Entry(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const { endpoint } = props;
  const problem = wrong(trans, endpoint);
  return (
    <button
      type="button"
      className="jp-Deploy-entry"
      onClick={() => model.open(endpoint.name)}
    >
      <span className="jp-Deploy-entryHead">
        <span className="jp-Deploy-name">{endpoint.name}</span>
        <State state={endpoint.state} />
      </span>
      <span className="jp-Deploy-entryFacts">
        <Facts endpoint={endpoint} />
      </span>
      {problem && <span className="jp-Deploy-wrong">{problem}</span>}
      {endpoint.moved_alias && (
        <span className="jp-Deploy-small">{movedAlias(trans, endpoint)}</span>
      )}
      <Rates endpoint={endpoint} />
    </button>
  );
}

function Facts(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  if (endpoint.active === null) {
    return (
      <span>
        {trans._n(
          '%1 version is kept',
          '%1 versions are kept',
          endpoint.versions.length
        )}
      </span>
    );
  }
  const [ready, all] = replicaCount(endpoint);
  return (
    <>
      <span className="jp-Deploy-version">{endpoint.active}</span>
      <span>{trans.__('%1 of %2 replicas ready', ready, all)}</span>
      {endpoint.deploying && (
        <span data-tone="busy">
          {trans.__('deploying %1…', endpoint.deploying)}
        </span>
      )}
    </>
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
        onClick={() => void actions.deploy()}
      >
        <addIcon.react tag="span" width="14px" height="14px" />
        {trans.__('Deploy…')}
      </button>
    </div>
  );
}
