/**
 * The versions of an endpoint, newest first.
 */
import * as React from 'react';

import { urgency } from '../attention';
import { whyWord } from '../codes';
import type { EndpointStatus, VersionStatus } from '../types';
import { canServe, figure, inSight, newestFirst, Tone, tone } from '../words';
import { unless } from './focus';
import { Ago, State, Whence } from './parts';
import { useUi } from './ui';

export function Versions(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  const [whole, setWhole] = React.useState(false);
  const all = newestFirst(endpoint);
  const few = inSight(endpoint);
  return (
    <>
      <ul className="jp-Deploy-versions">
        {(whole ? all : few).map(version => (
          <li key={version.version} tabIndex={-1} data-lands="">
            <Version endpoint={endpoint} version={version} />
          </li>
        ))}
      </ul>
      {few.length < all.length && (
        <button
          type="button"
          className="jp-Deploy-button jp-mod-small"
          aria-expanded={whole}
          onClick={() => setWhole(!whole)}
        >
          {whole
            ? trans.__('Show fewer')
            : trans.__('Show all %1 versions', all.length)}
        </button>
      )}
    </>
  );
}

function Version(props: {
  endpoint: EndpointStatus;
  version: VersionStatus;
}): JSX.Element {
  const { actions, trans } = useUi();
  const { endpoint, version } = props;
  return (
    <>
      <div className="jp-Deploy-versionHead">
        <span className="jp-Deploy-version">{version.version}</span>
        <State state={version.state} tone={toneOf(endpoint, version)} />
        <Promote endpoint={endpoint} version={version} />
      </div>
      <div className="jp-Deploy-small">
        <Whence origin={version.origin} />
        {' · '}
        <Ago at={version.created_at} />
      </div>
      <div className="jp-Deploy-small">
        {whyWord(trans, version.why)}
        {version.why && version.mlflow_version && ' · '}
        {version.mlflow_version && (
          <button
            type="button"
            className="jp-Deploy-link"
            title={trans.__('Open %1 in MLflow', version.mlflow_uri)}
            onClick={() => void actions.openRegistry(version.mlflow_uri)}
          >
            {trans.__('MLflow version %1', version.mlflow_version)}
          </button>
        )}
      </div>
      <Metrics of={version.metrics} />
      {version.reason && <p className="jp-Deploy-wrong">{version.reason}</p>}
      {version.log.length > 0 && (
        <pre
          className="jp-Deploy-log"
          tabIndex={0}
          aria-label={trans.__('The last lines of its log')}
        >
          {version.log.join('\n')}
        </pre>
      )}
    </>
  );
}

/** An active version of which no replica is ready is not shown as good. */
function toneOf(endpoint: EndpointStatus, version: VersionStatus): Tone {
  const active = version.version === endpoint.active;
  return active && urgency(endpoint) === 'down' ? 'bad' : tone(version.state);
}

/** The metrics of the MLflow run that a version comes from. */
function Metrics(props: {
  of: Readonly<Record<string, number>>;
}): JSX.Element | null {
  const found = Object.entries(props.of);
  if (found.length === 0) {
    return null;
  }
  return (
    <dl className="jp-Deploy-metrics">
      {found.slice(0, MOST_METRICS).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{figure(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** More are in MLflow. */
const MOST_METRICS = 8;

function Promote(props: {
  endpoint: EndpointStatus;
  version: VersionStatus;
}): JSX.Element | null {
  const { actions, model, trans } = useUi();
  const { endpoint, version } = props;
  if (!canServe(version)) {
    return null;
  }
  return (
    <button
      type="button"
      className="jp-Deploy-button jp-mod-small"
      aria-label={trans.__('Promote %1', version.version)}
      {...unless(
        model.isBusy(endpoint.name),
        () => void actions.promote(endpoint, version.version)
      )}
    >
      {trans.__('Promote')}
    </button>
  );
}
