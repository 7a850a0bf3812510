/**
 * The processes that hold the versions: how many there may be, and how each is doing.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { EndpointStatus, ReplicaStatus, VersionStatus } from '../types';
import { megabytes, newestFirst } from '../words';
import { Fold, State } from './parts';
import { useUi } from './ui';

export function Replicas(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const running = newestFirst(props.endpoint).filter(
    version => version.replicas.length > 0
  );
  const count = running.reduce((sum, one) => sum + one.replicas.length, 0);
  return (
    <Fold title={trans.__('Replicas')} count={count}>
      {count === 0 && (
        <p className="jp-Deploy-hint">{trans.__('No process is running.')}</p>
      )}
      {running.map(version => (
        <OfVersion key={version.version} version={version} />
      ))}
    </Fold>
  );
}

function OfVersion(props: { version: VersionStatus }): JSX.Element {
  const { trans } = useUi();
  const { version } = props;
  return (
    <table className="jp-Deploy-table">
      <caption>
        <span className="jp-Deploy-version">{version.version}</span>{' '}
        {range(trans, version)}
      </caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('PID')}</th>
          <th scope="col">{trans.__('Memory')}</th>
          <th scope="col">{trans.__('Restarts')}</th>
        </tr>
      </thead>
      <tbody>
        {version.replicas.map(one => (
          <Row key={one.replica_id} replica={one} />
        ))}
      </tbody>
    </table>
  );
}

function range(trans: TranslationBundle, version: VersionStatus): string {
  const { least_replicas: least, most_replicas: most } = version;
  return most > least
    ? trans.__('%1 to %2, as the load needs', least, most)
    : trans._n('%1 wanted', '%1 wanted', least);
}

function Row(props: { replica: ReplicaStatus }): JSX.Element {
  const { replica } = props;
  return (
    <tr>
      <td>
        <State state={replica.state} />
      </td>
      <td>{replica.pid ?? '–'}</td>
      <td>{replica.rss_bytes === null ? '–' : megabytes(replica.rss_bytes)}</td>
      <td>{replica.restarts}</td>
    </tr>
  );
}
