/**
 * Why there is nothing to show, and what to do about it.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { errorTitle } from '../codes';
import type { Trouble } from '../trouble';
import { Snippet } from './parts';
import { useUi } from './ui';

interface IWords {
  readonly title: string;
  readonly text: string;
  /** Lines to type in a terminal, one after the other. */
  readonly commands: readonly string[];
}

/** The panel's whole body when nothing is known. */
export function TroublePanel(props: { trouble: Trouble }): JSX.Element {
  const { model, trans } = useUi();
  const words = inWords(trans, props.trouble);
  return (
    <div className="jp-Deploy-trouble" role="alert">
      <h3 tabIndex={-1} data-lands="">
        {words.title}
      </h3>
      <p>{words.text}</p>
      {words.commands.map(line => (
        <Snippet key={line} text={line} label={trans.__('Copy the command')} />
      ))}
      <button
        type="button"
        className="jp-Deploy-button"
        onClick={() => void model.refresh()}
      >
        <refreshIcon.react tag="span" width="14px" height="14px" />
        {trans.__('Look again')}
      </button>
    </div>
  );
}

/** A strip above what was known before. */
export function TroubleStrip(props: { trouble: Trouble }): JSX.Element {
  const { trans } = useUi();
  const words = inWords(trans, props.trouble);
  return (
    <div className="jp-Deploy-strip" role="status">
      <strong>{words.title}</strong>{' '}
      <span>{trans.__('What you see may be out of date.')}</span>
    </div>
  );
}

/** One part of a page that could not be read. */
export function TroubleText(props: { trouble: Trouble }): JSX.Element {
  const { trans } = useUi();
  const words = inWords(trans, props.trouble);
  return (
    <p className="jp-Deploy-wrong" role="alert">
      {words.text}
    </p>
  );
}

/** A trouble, and what to do about it, in words. */
export function inWords(trans: TranslationBundle, trouble: Trouble): IWords {
  switch (trouble.kind) {
    case 'disabled':
      return {
        title: trans.__('The server extension is not enabled'),
        text: trans.__(
          'This Jupyter server does not know jupyter_deploy. Install it where the server runs, enable it, and restart the server.'
        ),
        commands: [
          'pip install jupyterlab-deploy',
          'jupyter server extension enable jupyter_deploy'
        ]
      };
    case 'mismatch':
      return {
        title: trans.__('Server and page are of different releases'),
        text: trans.__(
          'The server has jupyter_deploy %1, which this page (%2) does not fit. Reload the page; if this stays, install one release in both places and restart the server.',
          trouble.server,
          trouble.lab
        ),
        commands: ['pip install --upgrade jupyterlab-deploy']
      };
    case 'no-supervisor':
      return {
        title: trans.__('The supervisor is not running'),
        text: `${trouble.detail} ${trouble.fix}`.trim(),
        commands: ['jupyter endpoint start']
      };
    case 'offline':
      return {
        title: trans.__('The Jupyter server does not answer'),
        text: trans.__(
          'The connection is lost or the server has stopped. What is deployed goes on serving without it. This page looks again by itself.'
        ),
        commands: []
      };
    case 'forbidden':
      return {
        title: trans.__('You may not see this'),
        text: trans.__(
          'The Jupyter server refuses. Log in again by reloading the page, or ask whoever runs the server for the right to use jupyter_deploy.'
        ),
        commands: []
      };
    case 'failed':
      return {
        title:
          errorTitle(trans, trouble.code, trouble.title) ||
          trans.__('Something went wrong'),
        text: `${trouble.detail} ${trouble.fix}`.trim(),
        commands: []
      };
  }
}
