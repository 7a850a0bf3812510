/**
 * The page of one endpoint: how to call it, its versions, and what else is known of it.
 */
import { caretLeftIcon, stopIcon, undoIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { curl, ICall, invocations, NO_EXAMPLE, python } from '../snippets';
import { urgency, wrong } from '../attention';
import type { EndpointStatus } from '../types';
import { measured, rollbackTarget } from '../words';
import { MovedAliasStrip } from './alias';
import { Audit, Errors, Happened, Logs } from './history';
import { unless } from './focus';
import { Keys } from './keys';
import { CopyButton, EndpointState, Fold, goTo, Snippet } from './parts';
import { Rates } from './rates';
import { Replicas } from './replicas';
import { TrafficBar } from './traffic';
import { TryIt } from './tryit';
import { useUi } from './ui';
import { Versions } from './versions';

export function EndpointPage(props: { endpoint: EndpointStatus }): JSX.Element {
  const { trans } = useUi();
  const { endpoint } = props;
  return (
    <section className="jp-Deploy-page" aria-label={endpoint.name}>
      <Head endpoint={endpoint} />
      <Wrong endpoint={endpoint} />
      <MovedAliasStrip endpoint={endpoint} />
      <div className="jp-Deploy-summary">
        <TrafficBar endpoint={endpoint} />
        <Rates endpoint={endpoint} />
      </div>
      <Buttons endpoint={endpoint} />
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
      <Happened />
      <Audit />
    </section>
  );
}

function Head(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, openDashboard, trans } = useUi();
  const head = React.useRef<HTMLElement>(null);
  const { endpoint } = props;
  React.useLayoutEffect(() => {
    // What is scrolled to, or has the focus, is not hidden behind the head; a long name makes it high.
    const body = head.current?.closest<HTMLElement>('.jp-Deploy-body');
    const room = head.current?.offsetHeight ?? 0;
    body?.style.setProperty('scroll-padding-top', `${room + 4}px`);
    return () => {
      body?.style.removeProperty('scroll-padding-top');
    };
  }, [endpoint.name]);
  return (
    <header className="jp-Deploy-pageHead" ref={head}>
      <div className="jp-Deploy-ways">
        <button
          type="button"
          className="jp-Deploy-back"
          onClick={() => model.open(null)}
        >
          <caretLeftIcon.react tag="span" width="16px" height="16px" />
          {trans.__('All endpoints')}
        </button>
        <button
          type="button"
          className="jp-Deploy-button jp-mod-small"
          aria-label={trans.__('Open the dashboard of %1', endpoint.name)}
          onClick={() => openDashboard(endpoint.name)}
        >
          {trans.__('Dashboard')}
        </button>
      </div>
      <div className="jp-Deploy-titleRow">
        <h2 tabIndex={-1} data-lands="">
          {endpoint.name}
        </h2>
        <EndpointState endpoint={endpoint} />
      </div>
    </header>
  );
}

/** What is wrong in words, and the way to where more is known. */
function Wrong(props: { endpoint: EndpointStatus }): JSX.Element | null {
  const { trans } = useUi();
  const strip = React.useRef<HTMLDivElement>(null);
  const { endpoint } = props;
  const problem = wrong(trans, endpoint);
  if (!problem) {
    return null;
  }
  const down = urgency(endpoint) === 'down';
  return (
    <div className="jp-Deploy-strip" ref={strip} role="alert">
      <p>{problem}</p>
      <button
        type="button"
        className="jp-Deploy-button jp-mod-small"
        onClick={() =>
          goTo(
            strip.current?.closest('.jp-Deploy-page') ?? null,
            down ? 'logs' : 'errors'
          )
        }
      >
        {down ? trans.__('Read the log') : trans.__('Read why')}
      </button>
    </div>
  );
}

function Buttons(props: { endpoint: EndpointStatus }): JSX.Element {
  const { actions, model, trans } = useUi();
  const { endpoint } = props;
  const back = rollbackTarget(endpoint);
  const busy = model.isBusy(endpoint.name);
  return (
    <div className="jp-Deploy-actions">
      {back && (
        <button
          type="button"
          className="jp-Deploy-button"
          {...unless(busy, () => void actions.rollback(endpoint))}
        >
          <undoIcon.react tag="span" width="14px" height="14px" />
          {trans.__('Roll back to %1', back)}
        </button>
      )}
      {endpoint.active !== null && (
        <button
          type="button"
          className="jp-Deploy-button jp-mod-warn"
          {...unless(busy, () => void actions.stop(endpoint))}
        >
          <stopIcon.react tag="span" width="14px" height="14px" />
          {trans.__('Stop…')}
        </button>
      )}
      <Outcome endpoint={endpoint} />
    </div>
  );
}

/** How the last change of traffic went, with its measured time. */
function Outcome(props: { endpoint: EndpointStatus }): JSX.Element {
  const { model, trans } = useUi();
  const { active, name } = props.endpoint;
  const change = model.lastChange(name);
  const said = () => {
    if (model.isBusy(name)) {
      return trans.__('Working…');
    }
    if (active === null) {
      return trans.__('Promote a version to serve it again.');
    }
    return change?.version === active
      ? trans.__(
          'Now serves %1. The switch took %2.',
          change.version,
          measured(change.seconds)
        )
      : '';
  };
  return (
    <p className="jp-Deploy-hint" role="status">
      {said()}
    </p>
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
        <code>
          {call.url.split(/(?<=[^:/][/])/).map(part => (
            <React.Fragment key={part}>
              {part}
              <wbr />
            </React.Fragment>
          ))}
        </code>
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
