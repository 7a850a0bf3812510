/**
 * MLflow's alias `active` names another version than the one that serves: what to do about it.
 */
import * as React from 'react';

import { movedAlias } from '../attention';
import type { EndpointStatus } from '../types';
import { unless } from './focus';
import { useUi } from './ui';

export function MovedAliasStrip(props: {
  endpoint: EndpointStatus;
}): JSX.Element | null {
  const { actions, model, trans } = useUi();
  const { endpoint } = props;
  const alias = endpoint.moved_alias;
  if (!alias) {
    return null;
  }
  const { version } = alias;
  const busy = model.isBusy(endpoint.name);
  return (
    <div className="jp-Deploy-strip jp-mod-note" role="alert">
      <p>{movedAlias(trans, endpoint)}</p>
      <div className="jp-Deploy-keyActions">
        {version !== null && (
          <button
            type="button"
            className="jp-Deploy-button jp-mod-small"
            {...unless(busy, () => void actions.promote(endpoint, version))}
          >
            {trans.__('Serve %1', version)}
          </button>
        )}
        <button
          type="button"
          className="jp-Deploy-button jp-mod-small"
          title={trans.__('The alias names what serves again.')}
          {...unless(busy, () => void actions.putAliasBack(endpoint))}
        >
          {trans.__('Put back')}
        </button>
      </div>
    </div>
  );
}
