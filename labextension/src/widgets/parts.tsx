/**
 * Small parts: a state, a button that copies, a section that folds, a text that could not be read.
 */
import {
  caretRightIcon,
  checkIcon,
  copyIcon,
  LabIcon
} from '@jupyterlab/ui-components';
import * as React from 'react';

import { seenState } from '../attention';
import type { Loadable, Section } from '../detail';
import type { EndpointStatus, Origin } from '../types';
import { age, fileName, person, stateWord, Tone, tone } from '../words';
import { TroubleText } from './trouble';
import { now, useUi } from './ui';

/** A state as a coloured dot and a word: never by colour alone. */
export function State(props: { state: string; tone?: Tone }): JSX.Element {
  const { trans } = useUi();
  return (
    <span
      className="jp-Deploy-state"
      data-tone={props.tone ?? tone(props.state)}
    >
      {stateWord(trans, props.state)}
    </span>
  );
}

/** The state of an endpoint; what serves with errors is not shown as good, nor a first deploy as stopped. */
export function EndpointState(props: {
  endpoint: EndpointStatus;
}): JSX.Element {
  const { endpoint } = props;
  if (endpoint.active === null && endpoint.deploying !== null) {
    return <State state="deploying" tone="busy" />;
  }
  return <State state={seenState(endpoint)} />;
}

/** A button with an icon; `label` is its name for everybody who does not see it. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  onClick: () => void;
}): JSX.Element {
  return (
    <button
      type="button"
      className="jp-Deploy-iconButton"
      title={props.label}
      aria-label={props.label}
      onClick={props.onClick}
    >
      <props.icon.react tag="span" width="16px" height="16px" />
    </button>
  );
}

/** Copies a text, and shows for a moment that it did. */
export function CopyButton(props: {
  label: string;
  text: string;
}): JSX.Element {
  const { actions, trans } = useUi();
  const [done, setDone] = React.useState(false);
  React.useEffect(() => {
    const timer = done ? window.setTimeout(() => setDone(false), 1500) : 0;
    return () => window.clearTimeout(timer);
  }, [done]);
  return (
    <>
      <IconButton
        icon={done ? checkIcon : copyIcon}
        label={props.label}
        onClick={() => {
          actions.copy(props.text);
          setDone(true);
        }}
      />
      <span className="jp-Deploy-unseen" role="status">
        {done ? trans.__('Copied') : ''}
      </span>
    </>
  );
}

/** A text to read letter by letter, with a button that copies it. */
export function Snippet(props: { text: string; label: string }): JSX.Element {
  return (
    <div className="jp-Deploy-snippet">
      <pre tabIndex={0} aria-label={props.label}>
        {props.text}
      </pre>
      <CopyButton text={props.text} label={props.label} />
    </div>
  );
}

/** How long ago something was; the day and the time for whoever points at it. */
export function Ago(props: { at: number }): JSX.Element {
  const { trans } = useUi();
  const at = new Date(props.at * 1000);
  return (
    <time dateTime={at.toISOString()} title={at.toLocaleString()}>
      {age(trans, props.at, now())}
    </time>
  );
}

/** Who did something, and the notebook where, with a way to its cell. */
export function Whence(props: { origin: Origin }): JSX.Element {
  const { actions, model, trans } = useUi();
  const { user, notebook, cell } = props.origin;
  const path = notebook ? model.below(notebook) : null;
  return (
    <>
      {person(trans, user)}
      {notebook && ' · '}
      {path === null ? (
        <span title={notebook}>{fileName(notebook)}</span>
      ) : (
        <button
          type="button"
          className="jp-Deploy-link"
          title={trans.__('Go to the cell in %1', path)}
          onClick={() => void actions.openCell(path, cell)}
        >
          {fileName(notebook)}
        </button>
      )}
    </>
  );
}

/** A section of an endpoint's page that is read when it is unfolded. */
export function Fold(props: {
  title: string;
  count?: number | undefined;
  reads?: Section;
  open?: boolean;
  children: React.ReactNode;
}): JSX.Element {
  const { model } = useUi();
  const { title, count, reads, open = false } = props;
  const opened = model.opened;
  React.useEffect(() => {
    if (open && reads) {
      void model.unfold(reads);
    }
  }, [model, open, opened, reads]);
  const toggled = (event: React.SyntheticEvent<HTMLDetailsElement>) => {
    if (!reads) {
      return;
    }
    if (event.currentTarget.open) {
      void model.unfold(reads);
    } else {
      model.fold(reads);
    }
  };
  return (
    <details
      className="jp-Deploy-fold"
      data-reads={reads}
      open={open}
      onToggle={toggled}
    >
      <summary data-lands="">
        <caretRightIcon.react tag="span" width="16px" height="16px" />
        <h3>{title}</h3>
        {count !== undefined && (
          <span className="jp-Deploy-count">{count}</span>
        )}
      </summary>
      {/* It scrolls when it is long: a keyboard must get there, too. */}
      <div
        className="jp-Deploy-foldBody"
        role="group"
        aria-label={title}
        tabIndex={0}
      >
        {props.children}
      </div>
    </details>
  );
}

/** Unfold the section of `page` that reads this, and go there. */
export function goTo(page: Element | null, section: Section): void {
  const fold = page?.querySelector<HTMLDetailsElement>(
    `details[data-reads='${section}']`
  );
  if (fold) {
    fold.open = true;
    fold.querySelector('summary')?.focus({ preventScroll: true });
    // What it holds is still being read: it is in its place when that has come.
    const comes = new ResizeObserver(() => {
      fold.scrollIntoView({ block: 'start' });
    });
    comes.observe(fold);
    window.setTimeout(() => comes.disconnect(), COMES_MILLISECONDS);
  }
}

const COMES_MILLISECONDS = 1500;

/** What has been read, or that it is being read, or why it could not be. */
export function Loaded<T>(props: {
  of: Loadable<T>;
  children: (value: T) => JSX.Element;
}): JSX.Element {
  const { trans } = useUi();
  const { of } = props;
  switch (of.kind) {
    case 'idle':
    case 'loading':
      return <p className="jp-Deploy-hint">{trans.__('Reading…')}</p>;
    case 'failed':
      return <TroubleText trouble={of.trouble} />;
    case 'ready':
      return props.children(of.value);
  }
}
