/**
 * What happened to an endpoint: requests that failed, its log, its processes, and who changed what.
 */
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

import { actionWord, errorTitle, happenedWord } from '../codes';
import { MOST_ERRORS } from '../request';
import type { AuditEntry, EndpointStatus, RequestFailure } from '../types';
import { newestFirst } from '../words';
import { Ago, Fold, Loaded, Whence } from './parts';
import { useUi } from './ui';

export function Errors(): JSX.Element {
  const { model, trans } = useUi();
  const { errors } = model.detail;
  const known = errors.kind === 'ready' ? errors.value.length : 0;
  const all = known < MOST_ERRORS;
  const count = errors.kind === 'ready' && all ? known : undefined;
  return (
    <Fold title={trans.__('Failed requests')} count={count} reads="errors">
      <Loaded of={errors}>
        {found => (
          <>
            {found.length === 0 && (
              <p className="jp-Deploy-hint">
                {trans.__('No request has failed on our side.')}
              </p>
            )}
            <ul className="jp-Deploy-entries">
              {found.map(one => (
                <li key={`${one.request_id} ${one.at}`}>
                  <Failure of={one} />
                </li>
              ))}
            </ul>
            {!all && (
              <p className="jp-Deploy-hint">
                {trans.__('The last %1 are shown.', known)}
              </p>
            )}
          </>
        )}
      </Loaded>
    </Fold>
  );
}

function Failure(props: { of: RequestFailure }): JSX.Element {
  const { trans } = useUi();
  const { of } = props;
  return (
    <details className="jp-Deploy-failure">
      <summary>
        <span className="jp-Deploy-wrong">
          {of.message || errorTitle(trans, of.code, of.code)}
        </span>
        <span className="jp-Deploy-small">
          <Ago at={of.at} />
          {' · '}
          {trans.__('%1 on %2', of.consumer, of.version)}
        </span>
      </summary>
      <div className="jp-Deploy-small">
        {trans.__('request %1', of.request_id)}
      </div>
      {of.trace && (
        <pre
          className="jp-Deploy-log"
          tabIndex={0}
          aria-label={trans.__('The trace')}
        >
          {of.trace}
        </pre>
      )}
    </details>
  );
}

export function Logs(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const versions = newestFirst(props.endpoint);
  return (
    <Fold title={trans.__('Log')} reads="logs">
      {versions.length > 1 && (
        <HTMLSelect
          className="jp-Deploy-select"
          aria-label={trans.__('Version')}
          value={model.logVersion ?? props.endpoint.active ?? ''}
          onChange={event => void model.showLog(event.target.value)}
        >
          {versions.map(one => (
            <option key={one.version}>{one.version}</option>
          ))}
        </HTMLSelect>
      )}
      <Loaded of={model.detail.logs}>{lines => <Lines lines={lines} />}</Loaded>
    </Fold>
  );
}

function Lines(props: { lines: readonly string[] }): JSX.Element {
  const { trans } = useUi();
  if (props.lines.length === 0) {
    return <p className="jp-Deploy-hint">{trans.__('The log is empty.')}</p>;
  }
  return (
    <pre className="jp-Deploy-log" tabIndex={0} aria-label={trans.__('Log')}>
      {props.lines.join('\n')}
    </pre>
  );
}

/** What happened to its processes and versions, newest first. */
export function Happened(): JSX.Element {
  const { model, trans } = useUi();
  return (
    <Fold title={trans.__('What happened')} reads="events">
      <Loaded of={model.detail.events}>
        {found => (
          <ul className="jp-Deploy-entries">
            {[...found].reverse().map(one => (
              <li key={one.number}>
                <div>
                  <strong>{happenedWord(trans, one.kind)}</strong>{' '}
                  <span className="jp-Deploy-small">
                    <Ago at={one.at} />
                  </span>
                </div>
                <div>{one.message}</div>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Fold>
  );
}

export function Audit(): JSX.Element {
  const { model, trans } = useUi();
  return (
    <Fold title={trans.__('Who changed what')} reads="audit">
      <Loaded of={model.detail.audit}>
        {found => (
          <ul className="jp-Deploy-entries">
            {found.map(one => (
              <li key={`${one.generation} ${one.at} ${one.action}`}>
                <Change of={one} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Fold>
  );
}

function Change(props: { of: AuditEntry }): JSX.Element {
  const { trans } = useUi();
  const { of } = props;
  return (
    <>
      <div>
        <strong>{actionWord(trans, of.action)}</strong> {of.detail}
      </div>
      <div className="jp-Deploy-small">
        <Whence origin={of.origin} />
        {' · '}
        <Ago at={of.at} />
      </div>
    </>
  );
}
