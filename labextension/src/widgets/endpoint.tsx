/**
 * The page of one endpoint: how to call it, its versions, and what else is known of it.
 */
import { caretLeftIcon, stopIcon, undoIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { curl, ICall, invocations, NO_EXAMPLE, python } from '../snippets';
import type { EndpointStatus } from '../types';
import { measured, rollbackTarget, wrong } from '../words';
import { MovedAliasStrip } from './alias';
import { Audit, Errors, Logs } from './history';
import { Keys } from './keys';
import { CopyButton, Fold, Snippet, State } from './parts';
import { OpenDashboard, Rates } from './rates';
import { TryIt } from './tryit';
import { useUi } from './ui';
import { Replicas, Versions } from './versions';

export function EndpointPage(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  const problem = wrong(trans, endpoint);
  return (
    <section className="jp-Deploy-page" aria-label={endpoint.name}>
      <Head endpoint={endpoint} />
      {problem && (
        <p className="jp-Deploy-strip" role="alert">
          {problem}
        </p>
      )}
      <MovedAliasStrip endpoint={endpoint} />
      <Rates endpoint={endpoint} />
      <OpenDashboard endpoint={endpoint} />
      <Traffic endpoint={endpoint} />
      <Fold
        title={trans.__('Versions')}
        count={endpoint.versions.length}
        open={true}
      >
        <Versions endpoint={endpoint} />
      </Fold>
      <Fold title={trans.__('Call it')} open={true}>
        <Calling endpoint={endpoint} />
      </Fold>
      <TryIt endpoint={endpoint} />
      <Keys endpoint={endpoint} />
      <Replicas endpoint={endpoint} />
      <Errors />
      <Logs endpoint={endpoint} />
      <Audit />
    </section>
  );
}

function Head(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const { endpoint } = props;
  const heading = React.useRef<HTMLHeadingElement>(null);
  // Whoever came by keyboard goes on from the page's head.
  React.useEffect(() => heading.current?.focus(), [endpoint.name]);
  return (
    <header className="jp-Deploy-pageHead">
      <button
        type="button"
        className="jp-Deploy-back"
        onClick={() => model.open(null)}
      >
        <caretLeftIcon.react tag="span" width="16px" height="16px" />
        {trans.__('All endpoints')}
      </button>
      <div className="jp-Deploy-titleRow">
        <h2 ref={heading} tabIndex={-1}>
          {endpoint.name}
        </h2>
        {endpoint.active && (
          <span className="jp-Deploy-version">{endpoint.active}</span>
        )}
        <State state={endpoint.state} />
      </div>
    </header>
  );
}

function Traffic(props: { endpoint: EndpointStatus }): JSX.Element | null {
  const { actions, model, trans } = useUi();
  const { endpoint } = props;
  const back = rollbackTarget(endpoint);
  const busy = model.isBusy(endpoint.name);
  const change = model.lastChange(endpoint.name);
  if (endpoint.active === null) {
    return (
      <p className="jp-Deploy-hint">
        {trans.__('Nothing is served. Promote a version to serve it again.')}
      </p>
    );
  }
  return (
    <div className="jp-Deploy-actions">
      {back && (
        <button
          type="button"
          className="jp-Deploy-button"
          disabled={busy}
          onClick={() => void actions.rollback(endpoint)}
        >
          <undoIcon.react tag="span" width="14px" height="14px" />
          {trans.__('Roll back to %1', back)}
        </button>
      )}
      <button
        type="button"
        className="jp-Deploy-button jp-mod-warn"
        disabled={busy}
        onClick={() => void actions.stop(endpoint)}
      >
        <stopIcon.react tag="span" width="14px" height="14px" />
        {trans.__('Stop…')}
      </button>
      <p className="jp-Deploy-hint" role="status">
        {busy && trans.__('Working…')}
        {!busy &&
          change?.version === endpoint.active &&
          trans.__(
            'Now serves %1. The switch took %2.',
            change.version,
            measured(change.seconds)
          )}
      </p>
    </div>
  );
}

type Language = 'curl' | 'python';

/** Names of languages are the same in every language. */
const LANGUAGES: readonly { value: Language; name: string }[] = [
  { value: 'curl', name: 'curl' },
  { value: 'python', name: 'Python' }
];

function Calling(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  const [language, setLanguage] = React.useState<Language>('curl');
  const call: ICall = {
    url: invocations(endpoint.url),
    keyFile: endpoint.key_file ?? 'KEY_FILE',
    example: endpoint.example ?? NO_EXAMPLE
  };
  const text = language === 'curl' ? curl(call) : python(call);
  return (
    <>
      <div className="jp-Deploy-url">
        <code>{call.url}</code>
        <CopyButton text={call.url} label={trans.__('Copy the URL')} />
      </div>
      <div
        className="jp-Deploy-choice"
        role="group"
        aria-label={trans.__('Language')}
      >
        {LANGUAGES.map(one => (
          <button
            key={one.value}
            type="button"
            aria-pressed={one.value === language}
            onClick={() => setLanguage(one.value)}
          >
            {one.name}
          </button>
        ))}
      </div>
      <Snippet text={text} label={trans.__('Copy the lines')} />
      {endpoint.key_file === null && (
        <p className="jp-Deploy-hint">
          {trans.__(
            'Create a key below, and put its file in place of KEY_FILE.'
          )}
        </p>
      )}
    </>
  );
}
