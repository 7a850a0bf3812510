/**
 * Why there is nothing to show, and what to do about it.
 */
import { refreshIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { inWords, said, Trouble } from '../trouble';
import { Snippet } from './parts';
import { useUi } from './ui';

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
  return (
    <p className="jp-Deploy-wrong" role="alert">
      {said(trans, props.trouble)}
    </p>
  );
}
